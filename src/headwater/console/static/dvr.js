// Going back in a running stream: its recording is played up to where live viewers are.
//
// The bar's seconds are those of the wall clock since the recording began, so that live media
// and recorded media, which both carry dates, are on one line.

import { createPreviews } from "./previews.js";
import { clock, createScrubber } from "./scrubber.js";

const LOOK_MS = 5000; // for a recording that has begun, or is over
const LIVE_WITHIN_S = 16; // a recorded segment has up to 13 s, and takes a moment to be stored
const JUMP_S = 10; // of the arrow keys

const byId = (id) => document.getElementById(id);

/**
 * @param {string} recordings below which the channel's recordings are; "": nowhere
 * @param {{play: (url: string, seconds: number) => void, live: () => void,
 *   wallClock: () => number | null, edge: () => number | null, isLive: () => boolean}} page
 *   play: begin with the recording at that many seconds; wallClock: Unix ms of what is shown;
 *   edge: Unix ms of the newest media that live viewers have
 */
export function createDvr(recordings, { play, live, wallClock, edge, isLive }) {
  const bar = byId("dvr");
  let recording = null; // that goes on
  let previews = null;
  let startMs = 0; // of the recording's first picture
  let lookTimer = 0;

  const scrubber = createScrubber(bar, {
    label: (seconds) => {
      const behind = endS() - seconds;
      return behind < 1 ? "Live" : `−${clock(behind)}`;
    },
    picture: (seconds) => previews?.at(seconds) ?? null,
    seek: goTo,
  });

  async function look() {
    clearTimeout(lookTimer);
    lookTimer = setTimeout(look, LOOK_MS);
    if (!recordings || document.hidden) return;
    try {
      const answer = await fetch(`${recordings}index.json?limit=1`);
      if (answer.ok) use((await answer.json()).recordings[0] ?? null);
    } catch {
      // The bar stays as it is: the next look tells.
    }
  }

  function use(newest) {
    const running = newest?.state === "recording" && newest.playlist ? newest : null;
    if (running?.path === recording?.path) return;
    recording = running;
    previews = running && createPreviews(running.path, true);
    startMs = running ? Date.parse(running.started_at) : 0;
  }

  function endS() {
    return recording && edge() ? Math.max(0, (edge() - startMs) / 1000) : 0;
  }

  function goTo(seconds) {
    if (!recording) return;
    if (endS() - seconds < LIVE_WITHIN_S) live();
    else play(`${recording.path}${recording.playlist}`, seconds);
  }

  function jump(seconds) {
    const shown = wallClock();
    if (shown) goTo(Math.max(0, (shown - startMs) / 1000 + seconds));
  }

  /** To be called several times a second. */
  function show(bufferedS) {
    const shown = wallClock();
    const usable = Boolean(recording && shown && edge());
    bar.hidden = !usable;
    byId("behind").hidden = !usable || isLive();
    if (!usable) return;
    const atEdge = isLive() && document.documentElement.dataset.atEdge === "true";
    const at = atEdge ? endS() : (shown - startMs) / 1000;
    scrubber.show(at, endS(), at + bufferedS);
    byId("behind").textContent = `−${clock(endS() - at)}`;
  }

  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!plain || event.target.closest("select, input, [role=slider]")) return;
    if (event.key === "ArrowLeft") jump(-JUMP_S);
    if (event.key === "ArrowRight") jump(JUMP_S);
  });
  look();
  return {
    show,
    /** The date of the recording's first picture, once its playlist tells. */
    began: (unixMs) => (startMs = unixMs),
  };
}

// Going back in a running stream: its recording is played up to where live viewers are.
//
// The bar's seconds are those of the wall clock since the recording began, so that live media
// and recorded media, which both carry dates, are on one line. Where an encoder was away, the
// recording goes on without a hole: see timeline.js.

import { createPreviews } from "./previews.js";
import { clock, createScrubber } from "./scrubber.js";
import { createTimeline } from "./timeline.js";

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
  let timeline = null;
  let wishes = 0; // to go somewhere: the newest counts
  let lookTimer = 0;

  const scrubber = createScrubber(bar, {
    label: (seconds) => {
      const behind = endS() - seconds;
      return behind < 1 ? "Live" : `−${clock(behind)}`;
    },
    picture: pictureAt,
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
    timeline = running && createTimeline(running.path, Date.parse(running.started_at));
  }

  function endS() {
    return recording && edge() ? Math.max(0, (edge() - timeline.began()) / 1000) : 0;
  }

  function pictureAt(seconds) {
    if (!recording) return null;
    timeline.refresh();
    return previews.at(timeline.secondsAt(timeline.began() + 1000 * seconds));
  }

  async function goTo(seconds) {
    if (!recording) return;
    wishes += 1;
    const wish = wishes;
    if (endS() - seconds < LIVE_WITHIN_S) {
      live();
      return;
    }
    await timeline.refresh();
    if (wish !== wishes || !recording) return;
    const at = timeline.secondsAt(timeline.began() + 1000 * seconds);
    play(`${recording.path}${recording.playlist}`, at);
  }

  function jump(seconds) {
    const shown = wallClock();
    if (shown && recording) goTo(Math.max(0, (shown - timeline.began()) / 1000 + seconds));
  }

  /** To be called several times a second. */
  function show(bufferedS) {
    const shown = wallClock();
    const usable = Boolean(recording && shown && edge());
    bar.hidden = !usable;
    byId("behind").hidden = !usable || isLive();
    if (!usable) return;
    const atEdge = isLive() && document.documentElement.dataset.atEdge === "true";
    const at = atEdge ? endS() : (shown - timeline.began()) / 1000;
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
  return { show };
}

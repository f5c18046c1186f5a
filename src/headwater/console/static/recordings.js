// A channel's recordings: the list, newest first, and a player with scrubbing previews.
//
//   <html data-state>: loading -> list (nothing chosen) -> playing <-> stalled, paused, ended
//                                                          error
//
// The recording that is shown is in the address's hash, so that it can be linked to.

import { connectControls } from "./controls.js";
import { createPreviews } from "./previews.js";
import { clock, createScrubber } from "./scrubber.js";

const PAGE = 24;
const TICK_MS = 250;
const NATIVE_TYPE = "application/vnd.apple.mpegurl";
const MEDIA_ERRORS_BEFORE_FAILURE = 3;
const STEP_S = 10; // of the arrow keys

const WORDS = {
  loading: ["Loading…", ""],
  stalled: ["Loading…", ""],
  ended: ["The end", "Play it again, or choose another recording."],
};

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const video = byId("video");
const Hls = window.Hls;
const base = document.body.dataset.recordings;
const known = new Map(); // recordings of the list, by place

let hls = null;
let chosen = null;
let previews = null;
let mediaErrors = 0;

function setState(state, headline, detail) {
  const [defaultHeadline, defaultDetail] = WORDS[state] ?? ["", ""];
  root.dataset.state = state;
  byId("headline").textContent = headline ?? defaultHeadline;
  byId("detail").textContent = detail ?? defaultDetail;
}

// The list.

const placeOf = (recording) => recording.path.slice(base.length).replace(/\/$/, "");
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function card(recording) {
  const link = element(recording.playlist ? "a" : "div", "card"); // else there is nothing to play
  if (recording.playlist) link.href = `#${placeOf(recording)}`;
  const picture = element("span", "poster");
  if (recording.poster) {
    const image = element("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = recording.path + recording.poster;
    image.addEventListener("error", () => image.remove());
    picture.append(image);
  }
  if (recording.state === "recording") picture.append(element("span", "chip now", "Recording"));
  else if (recording.playlist) {
    picture.append(element("span", "chip", clock((recording.duration_ms ?? 0) / 1000)));
  }
  const started = element("time", "when", date.format(new Date(recording.started_at)));
  started.dateTime = recording.started_at;
  link.append(picture, started, element("span", "what", describe(recording)));
  const item = element("li");
  item.append(link);
  return item;
}

function describe(recording) {
  const facts = [];
  if (recording.height) facts.push(`${Math.min(recording.width, recording.height)}p`);
  if (recording.state === "failed") facts.push("incomplete");
  if (recording.missing_ms) facts.push(`${(recording.missing_ms / 1000).toFixed(1)} s missing`);
  if (!recording.playlist) facts.push(recording.poster ? "thumbnails only" : "nothing was stored");
  return facts.join(" · ");
}

async function load(before) {
  const url = `${base}index.json?limit=${PAGE}${before ? `&before=${encodeURIComponent(before)}` : ""}`;
  byId("more").hidden = true;
  let page = null;
  try {
    const answer = await fetch(url);
    if (!answer.ok) return notice(`The server answered ${answer.status}.`);
    page = await answer.json();
  } catch {
    return notice("The server can't be reached.");
  }
  for (const recording of page.recordings) {
    if (known.has(placeOf(recording))) continue;
    known.set(placeOf(recording), recording);
    byId("cards").append(card(recording));
  }
  notice(known.size ? "" : "Nothing has been recorded yet.");
  byId("more").hidden = !page.next;
  byId("more").onclick = () => load(page.next);
  if (root.dataset.state === "loading" && !chosen) root.dataset.state = "list";
  markChosen();
  return undefined;
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function markChosen() {
  for (const link of document.querySelectorAll(".card")) {
    const isChosen = chosen && link.hash === `#${placeOf(chosen)}`;
    if (isChosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// The player.

function tearDown() {
  hls?.destroy();
  hls = null;
  mediaErrors = 0;
  video.removeAttribute("src");
}

function follow() {
  const place = decodeURIComponent(location.hash.slice(1));
  if (!place) return;
  // One that is linked to may be on a later page of the list: its address is enough.
  const recording = known.get(place) ?? { path: `${base}${place}/`, playlist: "media/hls/master.m3u8" };
  if (recording.playlist) open(recording);
}

function open(recording) {
  tearDown();
  chosen = recording;
  previews = createPreviews(recording.path, recording.state === "recording");
  byId("player").hidden = false;
  byId("player").scrollIntoView({ block: "nearest" });
  setState("loading");
  markChosen();
  const source = new URL(recording.path + recording.playlist, location.href).href;
  if (Hls?.isSupported()) openWithHls(source);
  else if (video.canPlayType(NATIVE_TYPE)) {
    video.src = source;
    play();
  } else setState("error", "This browser can't play recordings", "Try a current one.");
}

function openWithHls(source) {
  const player = new Hls({ startPosition: 0, enableWorker: true });
  hls = player;
  player.on(Hls.Events.MANIFEST_PARSED, play);
  player.on(Hls.Events.ERROR, (_name, error) => {
    if (!error.fatal) return;
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR && mediaErrors < MEDIA_ERRORS_BEFORE_FAILURE) {
      mediaErrors += 1;
      player.recoverMediaError();
      return;
    }
    const status = error.response?.code;
    const why = status === 404 ? "It is gone, or its first seconds are not stored yet." : "";
    setState("error", "This recording can't be played", why || (status ? `The server answered ${status}.` : ""));
  });
  player.attachMedia(video);
  player.loadSource(source);
}

async function play() {
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError") return;
    if (video.muted) setState("paused");
    else {
      video.muted = true; // sound needs a click first: the button to unmute is shown
      play();
    }
  }
}

function seek(seconds) {
  video.currentTime = Math.max(0, Math.min(seconds, length()));
  if (root.dataset.state === "ended") play();
}

function length() {
  if (Number.isFinite(video.duration)) return video.duration;
  return video.seekable.length ? video.seekable.end(video.seekable.length - 1) : 0;
}

function bufferedEnd() {
  const { buffered, currentTime } = video;
  for (let index = 0; index < buffered.length; index += 1) {
    if (buffered.start(index) <= currentTime + 0.1 && currentTime < buffered.end(index)) {
      return buffered.end(index);
    }
  }
  return currentTime;
}

const scrubber = createScrubber(byId("scrubber"), {
  label: clock,
  picture: (seconds) => previews?.at(seconds) ?? null,
  seek,
});

function show() {
  scrubber.show(video.currentTime, length(), bufferedEnd());
  byId("time").textContent = `${clock(video.currentTime)} / ${clock(length())}`;
}

video.addEventListener("playing", () => setState("playing"));
video.addEventListener("waiting", () => root.dataset.state === "playing" && setState("stalled"));
video.addEventListener("seeked", () => video.paused && !video.ended && chosen && setState("paused"));
video.addEventListener("pause", () => !video.ended && setState("paused"));
video.addEventListener("ended", () => setState("ended"));
video.addEventListener("error", () => {
  if (!hls && video.getAttribute("src")) setState("error", "This recording can't be played", "");
});
byId("speed").addEventListener("change", (event) => {
  video.defaultPlaybackRate = video.playbackRate = Number(event.target.value);
});
document.addEventListener("keydown", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!plain || !chosen || event.target.closest("select, input, [role=slider]")) return;
  if (event.key === "ArrowLeft") seek(video.currentTime - STEP_S);
  if (event.key === "ArrowRight") seek(video.currentTime + STEP_S);
});

connectControls({ video, player: () => hls, resume: play });
window.headwater = {
  stats: () => ({ state: root.dataset.state, at_s: video.currentTime, length_s: length(), recordings: known.size }),
};
setInterval(show, TICK_MS);
window.addEventListener("hashchange", follow);
if (base) load().then(follow);
else notice("Recordings of this channel are not shown here: the channel is private or restricted, or the server keeps recordings to itself.");

// The watch page: plays one channel with low latency and comes back by itself. Where the stream
// is being recorded, it can be played from its beginning too (<html data-mode="recorded">).
//
//   loading -> playing <-> stalled        paused: the viewer's own wish
//      ^  \       |
//      |   +-> offline (404, or the stream ended): asks again each second while visible
//      +------ error   (refused, unreachable, broken): asks again more slowly
//
// The state is in <html data-state>, the figures in window.headwater.stats().

import { connectControls } from "./controls.js";
import { createDvr } from "./dvr.js";
import { createFigures } from "./figures.js";
import { keepNear } from "./near.js";

const OFFLINE_POLL_MS = 1000;
const ERROR_POLL_MS = 3000;
const TICK_MS = 250;
const RESTART_AFTER_STALL_MS = 8000; // longer than any hiccup that heals by itself
// Seen now and then with hls.js 1.7.4, cause unknown: playlists go on, but it asks for no part
// for about 5 s. A seek makes it ask.
const JUMP_AFTER_STALL_MS = 1500;
const MAX_EXTRA_LATENCY_S = 4; // further behind (a sleeping tab), jump instead of catching up
const MEDIA_ERRORS_BEFORE_RESTART = 2;
const NATIVE_TYPE = "application/vnd.apple.mpegurl";

const WORDS = {
  loading: ["Loading…", "", "Loading"],
  offline: ["This channel is offline", "The stream starts here by itself when it goes live.", "Offline"],
  playing: ["Live", "", "Live"],
  stalled: ["Waiting for the stream…", "", "Live"],
  paused: ["Paused", "", "Paused"],
};

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const video = byId("video");
const Hls = window.Hls;
const source = new URL(document.body.dataset.playback, location.href);
const token = new URLSearchParams(location.search).get("token");
if (token) source.searchParams.set("token", token); // a private channel's pass

video.muted = video.autoplay = true; // browsers let nothing else start by itself
const figures = createFigures(video);
let hls = null;
let started = false; // this attempt has shown a picture
let ended = false; // the playlist said that no more will come
let mediaErrors = 0;
let stallStart = 0;
let jumped = false; // once per stall
let retryTimer = 0;
let recorded = false; // it is the recording that plays
let edgeAheadMs = 0; // of the newest live media, before the clock here

function setState(state, headline, detail) {
  const [defaultHeadline, defaultDetail, liveBadge] = WORDS[state] ?? ["", "", "Problem"];
  const badge = recorded && liveBadge === "Live" ? "Replay" : liveBadge;
  const words = [headline ?? defaultHeadline, detail ?? defaultDetail, badge];
  if (root.dataset.state === state && root.dataset.headline === words[0]) return;
  root.dataset.state = state;
  root.dataset.headline = words[0];
  ["headline", "detail", "badge"].forEach((id, index) => {
    byId(id).textContent = words[index];
  });
}

// Attempts.

function tearDown() {
  recorded = false;
  root.dataset.mode = "live";
  endStall();
  clearTimeout(retryTimer);
  hls?.destroy();
  hls = null;
  figures.use(null);
  started = false;
  ended = false;
  mediaErrors = 0;
}

function retryLater(delayMs) {
  tearDown();
  retryTimer = setTimeout(() => {
    if (document.hidden) document.addEventListener("visibilitychange", attempt, { once: true });
    else attempt();
  }, delayMs);
}

function goOffline() {
  setState("offline");
  retryLater(OFFLINE_POLL_MS);
}

function restart() {
  setState("loading", "Reconnecting…");
  retryLater(OFFLINE_POLL_MS);
}

function fail(status) {
  if (status === 404 || status === 410) return goOffline();
  if (started) return restart();
  if (status === 401 || status === 403) {
    setState("error", "You can't watch this channel", "It is private, or your pass has expired.");
  } else if (status) {
    setState("error", "The stream can't be played now", `The server answered ${status}. Trying again…`);
  } else {
    setState("error", "The server can't be reached", "Trying again…");
  }
  return retryLater(ERROR_POLL_MS);
}

function attempt() {
  tearDown();
  if (Hls?.isSupported()) attemptWithHls();
  else if (video.canPlayType(NATIVE_TYPE)) attemptNatively();
  else setState("error", "This browser can't play live video", "Try a current one.");
}

function attemptWithHls() {
  const player = new Hls({
    lowLatencyMode: true, // the distance to live is then the playlist's PART-HOLD-BACK
    liveDurationInfinity: true,
    // No backBufferLength: hls.js would flush every segment, and a flush while a part loads makes
    // it forget the segment's earlier parts and stall. The browser drops old media by itself.
    enableWorker: true,
  });
  hls = player;
  player.on(Hls.Events.LEVEL_LOADED, (_name, { details }) => {
    if (details.live) return;
    ended = true;
    if (!started) goOffline(); // the rest of a stream that is over
  });
  player.on(Hls.Events.MANIFEST_PARSED, play);
  player.on(Hls.Events.ERROR, (_name, error) => onHlsError(error));
  figures.use(player);
  keepNear(video, player);
  player.attachMedia(video);
  player.loadSource(source.href);
}

// The stream's recording, from that many seconds after its beginning.
function playRecording(url, seconds) {
  if (!Hls?.isSupported()) return;
  if (recorded) {
    video.currentTime = seconds;
    if (video.paused) play();
    return;
  }
  tearDown();
  recorded = true;
  root.dataset.mode = "recorded";
  setState("loading");
  const player = new Hls({ startPosition: seconds, enableWorker: true });
  hls = player;
  player.on(Hls.Events.LEVEL_LOADED, (_name, { details }) => {
    if (!details.live) ended = true; // it is complete: after it comes whatever is live
  });
  player.on(Hls.Events.MANIFEST_PARSED, play);
  player.on(Hls.Events.ERROR, (_name, error) => onHlsError(error));
  figures.use(player, { isLive: false });
  player.attachMedia(video);
  player.loadSource(new URL(url, location.href).href);
}

function onHlsError(error) {
  if (!error.fatal) return;
  if (error.type === Hls.ErrorTypes.MEDIA_ERROR && mediaErrors < MEDIA_ERRORS_BEFORE_RESTART) {
    mediaErrors += 1;
    hls.recoverMediaError();
    return;
  }
  if (recorded) attempt(); // live is what there is for sure
  else if (started && ended) goOffline();
  else if (started) restart();
  else fail(error.response?.code ?? 0);
}

// iOS Safari plays HLS by itself but does not tell a 404 from a broken network: ask first.
async function attemptNatively() {
  let status = 0;
  try {
    status = (await fetch(source, { cache: "no-store" })).status;
  } catch {
    // Unreachable: status 0 says so.
  }
  if (status !== 200) return fail(status);
  video.src = source.href;
  return play();
}

async function play() {
  try {
    await video.play();
  } catch (error) {
    // Only the viewer's own click may start it; everything else shows up as another event.
    if (error.name === "NotAllowedError") setState("paused");
  }
}

// What the video element says.

function beginStall() {
  if (!started || video.paused || stallStart || ended) return;
  stallStart = performance.now();
  jumped = false;
  setState("stalled");
}

function endStall() {
  if (stallStart) figures.addStall(performance.now() - stallStart);
  stallStart = 0;
}

video.addEventListener("playing", () => {
  started = true;
  endStall();
  setState("playing");
});
video.addEventListener("waiting", beginStall);
video.addEventListener("pause", () => {
  if (started && !video.ended) {
    endStall();
    setState("paused");
  }
});
video.addEventListener("ended", goOffline);
video.addEventListener("error", () => {
  if (!hls && video.getAttribute("src")) fail(0); // with hls.js, its ERROR event comes instead
});

function jumpToLive() {
  if (recorded) {
    setState("loading");
    attempt();
    return;
  }
  const edge = hls ? hls.liveSyncPosition : video.seekable.length && video.seekable.end(0);
  if (edge) video.currentTime = edge;
  if (video.paused) play();
}

function bufferedAheadS() {
  const { buffered, currentTime } = video;
  for (let index = 0; index < buffered.length; index += 1) {
    if (buffered.start(index) <= currentTime + 0.1 && currentTime < buffered.end(index)) {
      return buffered.end(index) - currentTime;
    }
  }
  return 0;
}

// Unix ms of the picture that is shown, by the dates in the media.
function wallClock() {
  return started ? (hls?.playingDate?.getTime() ?? null) : null;
}

// Unix ms of the newest live media: measured while live plays, carried on by the clock.
function edge() {
  if (!recorded && started && wallClock() && hls?.latency) {
    edgeAheadMs = wallClock() + hls.latency * 1000 - Date.now();
  }
  return started || recorded ? Date.now() + edgeAheadMs : null;
}

function tick() {
  dvr.show(bufferedAheadS());
  if (recorded) {
    if (video.ended) goOffline();
    root.dataset.atEdge = "false";
    return figures.show(stallStart);
  }
  const stalledMs = stallStart ? performance.now() - stallStart : 0;
  if (started && ended && bufferedAheadS() < 0.1) return goOffline();
  if (stalledMs > RESTART_AFTER_STALL_MS) return restart();
  if (stalledMs > JUMP_AFTER_STALL_MS && !jumped && hls?.liveSyncPosition > video.currentTime + 0.5) {
    jumped = true;
    jumpToLive();
  }
  const extraS = hls && started ? hls.latency - (hls.targetLatency ?? 0) : 0;
  root.dataset.atEdge = String(extraS < 2);
  if (extraS > MAX_EXTRA_LATENCY_S && !video.paused && !ended) jumpToLive();
  return figures.show(stallStart);
}

function resume() {
  if (recorded) play();
  else jumpToLive(); // nobody wants the old part
}

const { recordings } = document.body.dataset;
byId("to-recordings").hidden = !recordings;
const dvr = createDvr(recordings, {
  play: playRecording,
  live: jumpToLive,
  wallClock,
  edge,
  isLive: () => !recorded,
});
connectControls({ video, player: () => hls, resume, jumpToLive });
window.headwater = {
  stats: () => ({
    state: root.dataset.state,
    mode: root.dataset.mode,
    wall_clock_ms: wallClock(),
    edge_ms: edge(),
    ...figures.read(stallStart),
  }),
};
setInterval(tick, TICK_MS);
attempt();

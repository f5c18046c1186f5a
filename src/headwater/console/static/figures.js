// What the page measures: latency, rendition, bitrate, dropped frames, stalls.

import { readStrip } from "./strip.js";

const BITRATE_WINDOW_S = 6; // of media; smooths key frames out
const PICTURE_EVERY_MS = 1000;
const CANVAS_WIDTH = 640; // the strip is read from a scaled copy

/** What the playlist calls one of hls.js's levels: "720p30". */
export function renditionName({ attrs, name, height }) {
  return attrs?.VIDEO ?? name ?? `${height}p`;
}

/** Figures of `video`; `use(hls)` names the player they come from, and whether it plays live. */
export function createFigures(video) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let hls = null;
  let playsLive = true;
  let loads = []; // [bytes, seconds] of the last parts or segments
  let stalls = 0;
  let stallMs = 0;
  let pictureLatencyS = null;
  let pictureReadAt = 0;

  function use(player, { isLive = true } = {}) {
    hls = player;
    playsLive = isLive;
    loads = [];
    pictureLatencyS = null;
    if (!player) return;
    player.on(window.Hls.Events.FRAG_LOADED, (_name, { frag, part }) => {
      const piece = part ?? frag;
      if (frag.sn === "initSegment" || !piece.duration) return;
      loads.push([piece.stats.total || piece.stats.loaded, piece.duration]);
      while (seconds(loads.slice(1)) > BITRATE_WINDOW_S) loads.shift();
    });
  }

  function seconds(pieces) {
    return pieces.reduce((sum, [, duration]) => sum + duration, 0);
  }

  function level() {
    return hls?.levels?.[hls.currentLevel] ?? null;
  }

  function bitrateBps() {
    const span = seconds(loads);
    if (!span) return level()?.bitrate ?? null;
    return Math.round((8 * loads.reduce((sum, [bytes]) => sum + bytes, 0)) / span);
  }

  function rendition() {
    if (level()) return renditionName(level());
    return video.videoHeight ? `${video.videoHeight}p` : null; // a browser that plays by itself
  }

  // By EXT-X-PROGRAM-DATE-TIME: right as far as the server's clock and ours agree.
  function clockLatencyS() {
    if (hls) return hls.playingDate ? (Date.now() - hls.playingDate.getTime()) / 1000 : null;
    const start = video.getStartDate?.().getTime();
    return start ? (Date.now() - start) / 1000 - video.currentTime : null;
  }

  // Headwater's own test picture carries its time in a strip: nothing is closer to the truth.
  function readPicture() {
    const now = performance.now();
    if (now - pictureReadAt < PICTURE_EVERY_MS || video.paused || video.readyState < 2) return;
    pictureReadAt = now;
    canvas.width = CANVAS_WIDTH;
    canvas.height = Math.round((CANVAS_WIDTH * video.videoHeight) / (video.videoWidth || 1));
    if (!canvas.height) return;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const shown = readStrip(context.getImageData(0, 0, canvas.width, canvas.height));
    pictureLatencyS = shown ? (Date.now() - shown.unixMs) / 1000 : null;
  }

  function read(stallStart) {
    const ongoing = stallStart ? performance.now() - stallStart : 0;
    return {
      latency_s: playsLive ? hls?.latency || null : clockLatencyS(), // hls.js: to what is recorded
      target_latency_s: playsLive ? (hls?.targetLatency ?? null) : null,
      clock_latency_s: clockLatencyS(),
      picture_latency_s: pictureLatencyS,
      level: rendition(),
      bitrate_bps: bitrateBps(),
      dropped: video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0,
      stalls: stalls + (stallStart ? 1 : 0),
      stall_ms: Math.round(stallMs + ongoing),
    };
  }

  function show(stallStart) {
    readPicture();
    const now = read(stallStart);
    const live = hls !== null || video.readyState > 0;
    const put = (id, text) => {
      const element = document.getElementById(id);
      const shown = live && text !== null ? text : "–";
      if (element.textContent !== shown) element.textContent = shown;
    };
    const asSeconds = (value) => (value === null ? null : `${value.toFixed(1)} s`);
    put("latency", asSeconds(now.latency_s ?? now.clock_latency_s));
    put("clock-latency", asSeconds(now.picture_latency_s ?? now.clock_latency_s));
    put("rendition", now.level);
    put("bitrate", now.bitrate_bps && `${(now.bitrate_bps / 1e6).toFixed(2)} Mb/s`);
    put("dropped", String(now.dropped));
    put("stalls", now.stalls ? `${now.stalls} · ${(now.stall_ms / 1000).toFixed(1)} s` : "0");
    document.getElementById("clock-name").textContent =
      now.picture_latency_s === null ? "By the clock" : "Glass to glass";
  }

  function addStall(durationMs) {
    stalls += 1;
    stallMs += durationMs;
  }

  return { use, read, show, addStall };
}

// Plays one HLS URL with one player, as its manual says, and counts what a viewer would notice.
//
//   page.html?player=hls.js|video.js|shaka&url=<multivariant playlist>&settings=<JSON>
//
// The settings are the player's own: hls.js's configuration, video.js's `vhs`, Shaka's configure().
// window.stats() tells what happened; window.player is the player's own object.

const SCRIPTS = {
  "hls.js": "/hls.min.js",
  "video.js": "/modules/video.js/dist/video.js",
  shaka: "/modules/shaka-player/dist/shaka-player.compiled.js",
};

const wishes = new URL(location.href).searchParams;
const settings = JSON.parse(wishes.get("settings"));
const video = document.getElementById("video");
const seen = { errors: [], stalls: 0, stalledMs: 0 };
let stretch = null; // from `playing` to the next stall or seek
let stallStart = 0;

function endStall() {
  if (stallStart) seen.stalledMs += performance.now() - stallStart;
  stallStart = 0;
}

function dropped() {
  return video.getVideoPlaybackQuality().droppedVideoFrames;
}

function beginStretch() {
  stretch ??= { wallMs: performance.now(), media: video.currentTime, dropped: dropped() };
}

video.addEventListener("playing", () => {
  endStall();
  beginStretch();
});
video.addEventListener("seeking", () => (stretch = null));
video.addEventListener("seeked", () => {
  if (!video.paused) beginStretch();
});
video.addEventListener("pause", () => (stretch = null));
video.addEventListener("waiting", () => {
  if (!stretch) return;
  stretch = null;
  seen.stalls += 1;
  stallStart = performance.now();
});

function bufferedAhead() {
  const { buffered, currentTime } = video;
  for (let index = 0; index < buffered.length; index += 1) {
    if (buffered.start(index) <= currentTime + 0.1 && currentTime < buffered.end(index)) {
      return buffered.end(index) - currentTime;
    }
  }
  return 0;
}

window.restartCount = () => {
  stretch = null;
  if (!video.paused && !stallStart) beginStretch();
};

window.stats = () => ({
  ...seen,
  position_s: video.currentTime,
  paused: video.paused,
  ahead_s: bufferedAhead(),
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
  rate: video.playbackRate,
  latency_s: window.latency?.() ?? null,
  stretch: stretch && {
    wall_s: (performance.now() - stretch.wallMs) / 1000,
    media_s: video.currentTime - stretch.media,
    dropped: dropped() - stretch.dropped,
  },
});

const START = {
  "hls.js": (url) => {
    const player = new window.Hls(settings);
    player.on(window.Hls.Events.ERROR, (_name, { fatal, type, details, error }) => {
      seen.errors.push(`${fatal ? "fatal " : ""}${type} ${details} ${error?.message}`);
    });
    player.on(window.Hls.Events.MANIFEST_PARSED, () => video.play());
    player.attachMedia(video);
    player.loadSource(url);
    window.latency = () => player.latency;
    return player;
  },
  "video.js": (url) => {
    const vhs = { overrideNative: true, ...settings };
    const player = window.videojs(video, { html5: { vhs }, muted: true, autoplay: true });
    player.on("error", () => {
      const { code, message, metadata } = player.error();
      seen.errors.push(`fatal ${code} ${message} ${JSON.stringify(metadata)}`);
    });
    for (const level of ["warn", "error"]) {
      const log = window.videojs.log[level];
      window.videojs.log[level] = (...words) => {
        seen.errors.push(`${level} ${words.map(said).join(" ")}`);
        log(...words);
      };
    }
    player.src({ src: url, type: "application/x-mpegURL" });
    return player;
  },
  shaka: (url) => {
    window.shaka.polyfill.installAll();
    const player = new window.shaka.Player();
    player.configure(settings);
    player.addEventListener("error", ({ detail }) => seen.errors.push(`${said(detail)} ${JSON.stringify(detail.data?.map(String))}`));
    player
      .attach(video)
      .then(() => player.load(url))
      .then(() => video.play())
      .catch((error) => seen.errors.push(`fatal ${said(error)}`));
    return player;
  },
};

function said(word) {
  return word instanceof Error || typeof word !== "object"
    ? String(word)
    : (word.message ?? JSON.stringify(word));
}

const script = document.createElement("script");
script.src = SCRIPTS[wishes.get("player")];
script.onload = () => (window.player = START[wishes.get("player")](wishes.get("url")));
document.head.append(script);

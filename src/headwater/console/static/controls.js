// Buttons, keys and the quality menu of the watch page and of the recordings page.

import { renditionName } from "./figures.js";

const root = document.documentElement;
const byId = (id) => document.getElementById(id);

/**
 * @param {{video: HTMLVideoElement, player: () => object | null, resume: () => void,
 *   jumpToLive?: () => void}} page resume: play what is paused; jumpToLive: where there is a
 *   live stream
 */
export function connectControls({ video, player, resume, jumpToLive }) {
  const actions = {
    k: () => (video.paused ? resume() : video.pause()),
    m: () => setMuted(!video.muted),
    f: toggleFullscreen,
    l: jumpToLive,
  };

  function setMuted(muted) {
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 1;
  }

  function toggleFullscreen() {
    const box = byId("player");
    if (document.fullscreenElement) document.exitFullscreen();
    else if (box.requestFullscreen) box.requestFullscreen();
    else video.webkitEnterFullscreen?.(); // an iPhone shows only the video itself that way
  }

  function showSound() {
    root.dataset.muted = String(video.muted);
    byId("mute").setAttribute("aria-label", video.muted ? "Unmute" : "Mute");
    byId("volume").value = String(video.muted ? 0 : video.volume);
    showUnmute();
  }

  function showPaused() {
    root.dataset.paused = String(video.paused);
    byId("play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
    showUnmute();
  }

  // Autoplay is allowed only without sound: offer it as soon as there is a picture.
  function showUnmute() {
    byId("unmute").hidden = !video.muted || video.paused || video.readyState < 2;
  }

  byId("play").addEventListener("click", actions.k);
  byId("mute").addEventListener("click", actions.m);
  byId("unmute").addEventListener("click", () => {
    setMuted(false);
    byId("mute").focus(); // the button that had the focus is gone now
  });
  if (jumpToLive) byId("live").addEventListener("click", jumpToLive);
  byId("fullscreen").addEventListener("click", toggleFullscreen);
  byId("volume").addEventListener("input", (event) => {
    video.volume = Number(event.target.value);
    video.muted = video.volume === 0;
  });
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const action = actions[event.key.toLowerCase()];
    if (plain && !event.target.closest("select, input")) action?.();
  });
  video.addEventListener("click", actions.k);
  video.addEventListener("volumechange", showSound);
  for (const name of ["play", "pause", "playing", "emptied"]) video.addEventListener(name, showPaused);
  connectQuality(video, player);
  showSound();
  showPaused();
}

function connectQuality(video, player) {
  const menu = byId("quality");
  menu.addEventListener("change", () => {
    if (player()) player().nextLevel = Number(menu.value);
  });
  video.addEventListener("playing", () => {
    const levels = player()?.levels ?? [];
    byId("quality-label").hidden = levels.length < 2; // nothing to choose from
    if (menu.options.length === levels.length + 1) return;
    const options = levels.map((level, index) => new Option(renditionName(level), String(index)));
    menu.replaceChildren(new Option("Auto", "-1"), ...options.reverse()); // best first
    menu.value = String(player()?.autoLevelEnabled ? -1 : player()?.currentLevel);
  });
}

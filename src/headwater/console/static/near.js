// Keeps a live player at the distance that the playlist asks for (PART-HOLD-BACK).
//
// hls.js itself catches up only while more than a second is buffered, which a player of parts
// never has: it would stay as far behind as its start happened to leave it.

const FAR_S = 0.08; // from here on, catch up
const CATCH_UP_RATE = 1.05; // the sound keeps its pitch; nobody hears it
const LEAST_AHEAD_S = 0.4; // a part, and what a late one takes; with less, no hurry

/** Lets `player`, an Hls that plays in `video`, catch up until it is destroyed. */
export function keepNear(video, player) {
  const look = () => {
    const behind = player.latency - player.targetLatency;
    const buffered = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    const hurry =
      behind > (video.playbackRate > 1 ? 0 : FAR_S) &&
      buffered - video.currentTime > LEAST_AHEAD_S;
    video.playbackRate = hurry ? CATCH_UP_RATE : 1;
  };
  video.addEventListener("timeupdate", look);
  player.once(window.Hls.Events.DESTROYING, () => video.removeEventListener("timeupdate", look));
}

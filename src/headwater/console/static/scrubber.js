// A seek bar with previews: a slider for pointer and keys.

const STEP_S = 5;
const PAGE_S = 60;

/** Seconds as "1:02:03" or "2:03". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/**
 * @param {HTMLElement} box gets the bar
 * @param {{label: (seconds: number) => string, picture: (seconds: number) => string | null,
 *   seek: (seconds: number) => void}} page
 * @returns {{show: (at: number, end: number, bufferedEnd: number) => void}} all in seconds from
 *   the beginning of the bar
 */
export function createScrubber(box, { label, picture, seek }) {
  box.innerHTML = `
    <div class="track"><div class="loaded"></div><div class="played"></div></div>
    <div class="knob"></div>
    <div class="preview" hidden><img alt="" hidden><span></span></div>`;
  const [track, knob, preview] = box.children;
  const [loaded, played] = track.children;
  const [image, text] = preview.children;
  let at = 0;
  let end = 0;
  let drag = null; // where it is being dragged to

  box.setAttribute("role", "slider");
  box.tabIndex = 0;
  box.setAttribute("aria-valuemin", "0");

  function secondsAt(event) {
    const { left, width } = track.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - left) / width)) * end;
  }

  function draw() {
    const share = (seconds) => `${end ? (100 * seconds) / end : 0}%`;
    const shown = drag ?? at;
    played.style.width = knob.style.left = share(shown);
    box.setAttribute("aria-valuemax", String(Math.round(end)));
    box.setAttribute("aria-valuenow", String(Math.round(shown)));
    box.setAttribute("aria-valuetext", label(shown));
  }

  function show(nowAt, nowEnd, bufferedEnd) {
    [at, end] = [Math.min(nowAt, nowEnd), nowEnd];
    loaded.style.width = `${end ? Math.min(100, (100 * bufferedEnd) / end) : 0}%`;
    draw();
  }

  function showPreview(seconds) {
    const url = picture(seconds);
    preview.hidden = false;
    image.hidden = !url;
    if (url && image.getAttribute("src") !== url) image.src = url;
    text.textContent = label(seconds);
    const { width } = track.getBoundingClientRect();
    const half = preview.offsetWidth / 2;
    const x = end ? (seconds / end) * width : 0;
    preview.style.left = `${Math.max(half, Math.min(width - half, x))}px`;
  }

  image.addEventListener("error", () => (image.hidden = true));
  box.addEventListener("pointermove", (event) => {
    const seconds = secondsAt(event);
    showPreview(seconds);
    if (drag !== null) {
      drag = seconds;
      draw();
    }
  });
  box.addEventListener("pointerleave", () => (preview.hidden = drag === null));
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    box.setPointerCapture(event.pointerId);
    drag = secondsAt(event);
    draw();
  });
  box.addEventListener("pointerup", (event) => {
    if (drag === null) return;
    at = secondsAt(event);
    drag = null;
    preview.hidden = event.pointerType === "touch";
    draw();
    seek(at);
  });
  box.addEventListener("pointercancel", () => {
    drag = null;
    preview.hidden = true;
  });
  box.addEventListener("keydown", (event) => {
    const steps = {
      ArrowLeft: -STEP_S, ArrowDown: -STEP_S, ArrowRight: STEP_S, ArrowUp: STEP_S,
      PageDown: -PAGE_S, PageUp: PAGE_S, Home: -Infinity, End: Infinity,
    };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    at = Math.max(0, Math.min(end, at + steps[event.key]));
    draw();
    seek(at);
  });
  return { show };
}

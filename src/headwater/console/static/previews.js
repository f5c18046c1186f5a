// The numbered thumbnails of a recording: which picture shows a moment of it.

const REFRESH_MS = 15_000; // of a recording that goes on

/** Thumbnails of the recording whose objects are below `path`; `goesOn`: more will come. */
export function createPreviews(path, goesOn) {
  let known = { path: "", count: 0, interval_ms: 0 };
  let askedAt = -Infinity;

  async function refresh() {
    askedAt = performance.now();
    try {
      const answer = await fetch(`${path}thumbnails.json`);
      if (answer.ok) known = await answer.json();
    } catch {
      // Without pictures the time alone is shown.
    }
  }

  /** The address of the picture at that many seconds, or null. */
  function at(seconds) {
    if (goesOn && performance.now() - askedAt > REFRESH_MS) refresh();
    if (!known.count) return null;
    const number = Math.floor((seconds * 1000) / known.interval_ms);
    return `${known.path}thumb${Math.max(0, Math.min(number, known.count - 1))}.jpg`;
  }

  refresh();
  return { at };
}

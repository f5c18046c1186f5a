// Where in a running recording a moment of the wall clock is. Both go on at the same pace but for
// the times when there was no stream: of these there is nothing in the recording.

const REFRESH_MS = 5000; // a stream that came back is known after its first recorded segment

/** The timeline of the recording whose objects are below `path`; it began at `startMs` (Unix). */
export function createTimeline(path, startMs) {
  let stretches = [{ at_ms: 0, date_ms: startMs }]; // media without a break: its beginning in both
  let askedAt = -Infinity;
  let answered = null;

  /** Ask again, unless that was just done; resolves with the answer. */
  function refresh() {
    if (performance.now() - askedAt >= REFRESH_MS) {
      askedAt = performance.now();
      answered = ask();
    }
    return answered;
  }

  async function ask() {
    try {
      const answer = await fetch(`${path}timeline.json`);
      const found = answer.ok ? (await answer.json()).stretches : [];
      if (found.length) stretches = found;
    } catch {
      // What is known goes on to be used.
    }
  }

  /** Seconds from its beginning of what was live at that time (Unix ms), or of what came next. */
  function secondsAt(unixMs) {
    const next = stretches.findIndex((each) => each.date_ms > unixMs);
    const index = (next < 0 ? stretches.length : next) - 1;
    if (index < 0) return 0;
    const { at_ms: atMs, date_ms: dateMs } = stretches[index];
    const endMs = next < 0 ? Infinity : stretches[next].at_ms;
    return Math.min(atMs + unixMs - dateMs, endMs) / 1000;
  }

  /** Unix ms of its first picture. */
  const began = () => stretches[0].date_ms;

  refresh();
  return { began, refresh, secondsAt };
}

"""Bit rates of one rendition, measured while it runs, without I/O.

Source: RFC 8216 §4.3.4.2: BANDWIDTH is the peak segment bit rate, that of the worst run
of segments lasting 0.5 to 1.5 target durations; AVERAGE-BANDWIDTH that of all.
"""


class BitRate:
    """Takes the size of each part; gives the peak and the average so far."""

    def __init__(self, target_duration_s: int, *, expected_bps: int = 0) -> None:
        """Nothing is measured yet.

        Args:
            target_duration_s: EXT-X-TARGETDURATION.
            expected_bps: what is believed until the first segment has ended.
        """
        self._expected_bps = expected_bps
        self._shortest_run_ms = target_duration_s * 500
        self._run_bytes = 0
        self._run_ms = 0.0
        self._total_bytes = 0
        self._total_ms = 0.0
        self._peak_bps = 0

    def add_part(self, size_bytes: int, duration_ms: float) -> None:
        """Count one part."""
        self._run_bytes += size_bytes
        self._run_ms += duration_ms
        self._total_bytes += size_bytes
        self._total_ms += duration_ms

    def finish_segment(self) -> None:
        """A segment ends; shorter ones are measured together with those that follow."""
        if self._run_ms and self._run_ms >= self._shortest_run_ms:
            self._peak_bps = max(self._peak_bps, _bps(self._run_bytes, self._run_ms))
            self._run_bytes, self._run_ms = 0, 0.0

    def average_bps(self) -> int:
        """Bits per second over all parts, at least 1; at first, what is expected."""
        if self._expected_bps and not self._peak_bps:
            return self._expected_bps
        return _bps(self._total_bytes, self._total_ms)

    def peak_bps(self) -> int:
        """The highest rate of a segment; before the first has ended, the average."""
        return max(self._peak_bps, self.average_bps())


def _bps(size_bytes: int, duration_ms: float) -> int:
    return max(1, round(size_bytes * 8000 / duration_ms)) if duration_ms > 0 else 1

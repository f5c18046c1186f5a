"""CloudWatch's metrics of the namespace AWS/IVS, read from the series.

A sample is one second of one stream. ConcurrentViews and ConcurrentStreams are added up over
the streams of a second first, so that their maximum is what it says.

Source: IVS user guide, "Monitoring Amazon IVS with Amazon CloudWatch" (names, units,
dimensions). What it leaves open: without a dimension the samples of all streams count as
one set. A channel may be named by its id or its ARN. Countries are not told apart.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import add
from types import MappingProxyType

from msgspec import Struct

from headwater.node.monitoring.series import (
    CODES,
    HAS_AUDIO,
    HAS_VIDEO,
    HEALTH_BITS,
    IS_RECORDED,
    Series,
    SeriesLog,
)
from headwater.store.records import Scope

NAMESPACE = "AWS/IVS"
USAGE_NAMESPACE = "AWS/Usage"
USAGE_METRIC = "ResourceCount"
TRACK = "Track0"
"""The only track there is of each kind."""

PART_ROWS = 10_000
"""Rows of all streams together that are looked at in one go: a millisecond or two."""

FEW_ROWS = 60

Values = Sequence[float]
Counts = bytes
"""One for each row: 0 where it has no sample."""
Period = tuple[int, int, int]
"""First second, the second behind the last, seconds in each period."""


class Metric(Struct, frozen=True, kw_only=True):
    """One of the namespace's; its functions are asked about some rows of a series."""

    unit: str
    values: Callable[[Series, slice], Values]
    counts: Callable[[Series, slice], Counts]
    dimensions: tuple[tuple[str, ...], ...]  # names, sorted
    is_summed: bool = False  # over the streams of a second


def _bits_per_s(column: "array[int]") -> Values:
    return [8.0 * each for each in column]


def _both_bits_per_s(series: Series, rows: slice) -> Values:
    return [8.0 * each for each in map(add, series.video_bytes[rows], series.audio_bytes[rows])]


def _ones(series: Series, rows: slice) -> Values:
    return [1.0] * len(series.state[rows])


def _has(bits: int) -> Callable[[Series, slice], Counts]:
    """Rows whose state has one of these bits."""
    table = bytes(bool(state & bits) for state in range(256))
    return lambda series, rows: series.state[rows].tobytes().translate(table)


def _is(code: int) -> Callable[[Series, slice], Counts]:
    """Rows of that health."""
    table = bytes(state & HEALTH_BITS == code for state in range(256))
    return lambda series, rows: series.state[rows].tobytes().translate(table)


_EVERY: tuple[str, ...] = ()
_CHANNEL = ("Channel",)
_TRACK = ("Channel", "Track")
_IS_LIVE = _has(HEALTH_BITS)
_OF_HEALTH = {health: _is(code) for health, code in CODES.items()}

METRICS: Mapping[str, Metric] = {
    "ConcurrentStreams": Metric(
        unit="Count",
        values=_IS_LIVE,
        counts=_IS_LIVE,
        dimensions=(_EVERY, ("Health",)),
        is_summed=True,
    ),
    "ConcurrentViews": Metric(
        unit="Count",
        values=lambda series, rows: series.viewers[rows],
        counts=_IS_LIVE,
        dimensions=(_EVERY, _CHANNEL),
        is_summed=True,
    ),
    "IngestAudioBitrate": Metric(
        unit="Bits/Second",
        values=lambda series, rows: _bits_per_s(series.audio_bytes[rows]),
        counts=_has(HAS_AUDIO),
        dimensions=(_CHANNEL, _TRACK),
    ),
    "IngestBitrate": Metric(
        unit="Bits/Second",
        values=_both_bits_per_s,
        counts=_has(HAS_VIDEO | HAS_AUDIO),
        dimensions=(_EVERY, _CHANNEL),
    ),
    "IngestFramerate": Metric(
        unit="Count/Second",
        values=lambda series, rows: series.frames[rows],
        counts=_has(HAS_VIDEO),
        dimensions=(_EVERY, _CHANNEL, _TRACK),
    ),
    "IngestVideoBitrate": Metric(
        unit="Bits/Second",
        values=lambda series, rows: _bits_per_s(series.video_bytes[rows]),
        counts=_has(HAS_VIDEO),
        dimensions=(_CHANNEL, _TRACK),
    ),
    "KeyframeInterval": Metric(
        unit="Seconds",
        values=lambda series, rows: [each / 1000 for each in series.keyframe_ms[rows]],
        counts=lambda series, rows: bytes(map(bool, series.keyframe_ms[rows])),
        dimensions=(_CHANNEL, _TRACK),
    ),
    "LiveDeliveredTime": Metric(
        unit="Seconds",
        values=lambda series, rows: series.viewers[rows],
        counts=_IS_LIVE,
        dimensions=(_EVERY, _CHANNEL),
    ),
    "LiveInputTime": Metric(
        unit="Seconds", values=_ones, counts=_IS_LIVE, dimensions=(_EVERY, _CHANNEL)
    ),
    "RecordedTime": Metric(
        unit="Seconds", values=_ones, counts=_has(IS_RECORDED), dimensions=(_EVERY, _CHANNEL)
    ),
}


_USED = ("ConcurrentStreams", "ConcurrentViews")
"""Of the account's resources, as AWS/Usage counts them."""
_USE = MappingProxyType({"Class": "None", "Service": "IVS", "Type": "Resource"})


class Charts:
    """Answers what CloudWatch is asked. The API's `Metrics`."""

    def __init__(self, log: SeriesLog) -> None:
        self._log = log

    def unit(self, namespace: str, name: str) -> str:
        """The unit of a metric; "" of one that there is not."""
        if (namespace, name) == (USAGE_NAMESPACE, USAGE_METRIC):
            return "None"
        metric = METRICS.get(name) if namespace == NAMESPACE else None
        return metric.unit if metric else ""

    def samples(
        self,
        scope: Scope,
        metric: tuple[str, str],
        dimensions: Mapping[str, str],
        period: Period,
    ) -> Iterator[dict[int, list[float]]]:
        """A metric's samples by the beginning of their period, part by part.

        Making a part takes about a millisecond, and media must not wait for all of them. A
        period may be in several parts.

        Args:
            scope: whose streams.
            metric: namespace and name; of one that there is not, there are no samples.
            dimensions: all that the metric is asked for with, and their values.
            period: from when to when, and how long each is; periods begin at multiples of
                their length.
        """
        found, asked = _found(metric, dimensions)
        if found is None:
            return
        first_s, end_s, length_s = period
        channel = asked.get("Channel", "").rpartition("/")[2]
        series = [
            each
            for each in self._log.series(scope)
            if each.end_s > first_s
            and each.first_s < end_s
            and ("Channel" not in asked or each.channel_id == channel)
        ]
        if not series:
            return
        health = asked.get("Health")
        values = _OF_HEALTH[health] if health else found.values
        begin_s = max(first_s, min(each.first_s for each in series))
        end_s = min(end_s, max(each.end_s for each in series))
        span_s = max(1, PART_ROWS // len(series))
        for at_s in range(begin_s, end_s, span_s):
            part = (at_s, min(at_s + span_s, end_s), length_s)
            if found.is_summed:
                yield _summed(series, found, values, part)
            else:
                yield _pooled(series, found, part)

    def metrics(self, scope: Scope) -> list[tuple[str, str, dict[str, str]]]:
        """Namespace, name and dimensions of everything that has samples, in order."""
        listed = []
        series = self._log.series(scope)
        for name, metric in METRICS.items():
            channels = sorted({each.channel_id for each in series if _has_any(each, metric)})
            for names in metric.dimensions if channels else ():
                listed += [(NAMESPACE, name, each) for each in _valued(names, channels)]
            if channels and name in _USED:
                listed.append((USAGE_NAMESPACE, USAGE_METRIC, {**_USE, "Resource": name}))
        return listed


def _found(
    metric: tuple[str, str], dimensions: Mapping[str, str]
) -> tuple[Metric | None, Mapping[str, str]]:
    """The metric of that name, and the dimensions that choose among its samples."""
    namespace, name = metric
    if namespace == USAGE_NAMESPACE:
        rest = dict(dimensions)
        resource = rest.pop("Resource", "")
        if name != USAGE_METRIC or rest != _USE or resource not in _USED:
            return None, {}
        return METRICS[resource], {}
    found = METRICS.get(name) if namespace == NAMESPACE else None
    if found is None or tuple(sorted(dimensions)) not in found.dimensions:
        return None, {}
    if dimensions.get("Track", TRACK) != TRACK or dimensions.get("Health", "HEALTHY") not in CODES:
        return None, {}
    return found, dimensions


def _valued(names: tuple[str, ...], channels: Iterable[str]) -> Iterator[dict[str, str]]:
    """Each set of dimensions with these names."""
    if not names:
        yield {}
    elif "Health" in names:
        yield from ({"Health": health} for health in CODES)
    else:
        for channel in channels:
            yield {"Channel": channel, "Track": TRACK} if "Track" in names else {"Channel": channel}


def _has_any(series: Series, metric: Metric) -> bool:
    starts = range(0, len(series), FEW_ROWS)  # one of the first few, nearly always
    return any(any(metric.counts(series, slice(at, at + FEW_ROWS))) for at in starts)


def _pooled(series: Iterable[Series], metric: Metric, period: Period) -> dict[int, list[float]]:
    """The samples of all streams together."""
    first_s, end_s, length_s = period
    pools: dict[int, list[float]] = {}
    for each in series:
        rows = each.rows(first_s, end_s)
        begin_s = each.first_s + rows.start
        _pour(pools, metric.values(each, rows), metric.counts(each, rows), begin_s, length_s)
    return pools


def _summed(
    series: Sequence[Series],
    metric: Metric,
    values: Callable[[Series, slice], Values],
    period: Period,
) -> dict[int, list[float]]:
    """One sample for each second in which any stream has one: their sum."""
    first_s, end_s, length_s = period
    totals, counted = [0.0] * (end_s - first_s), bytearray(end_s - first_s)
    for each in series:
        rows = each.rows(first_s, end_s)
        place = each.first_s + rows.start - first_s
        span = slice(place, place + rows.stop - rows.start)
        totals[span] = map(add, totals[span], values(each, rows))
        counted[span] = map(max, counted[span], metric.counts(each, rows))
    pools: dict[int, list[float]] = {}
    _pour(pools, totals, bytes(counted), first_s, length_s)
    return pools


def _pour(
    pools: dict[int, list[float]], values: Values, counts: Counts, begin_s: int, length_s: int
) -> None:
    """Put those values that count into their periods."""
    floats, all_count = list(map(float, values)), 0 not in counts
    start = -(begin_s % length_s)  # the first period may have begun before
    for place in range(start, len(floats), length_s):
        part = slice(max(0, place), place + length_s)
        found = floats[part] if all_count else list(compress(floats[part], counts[part]))
        if found:
            pools.setdefault(begin_s + place, []).extend(found)

"""CloudWatch's GetMetricData, GetMetricStatistics and ListMetrics, as values.

Source: CloudWatch API reference (2010-08-01). Periods begin at multiples of their length and
are whole: those that the time asked for touches. Of statistics there are the five and
percentiles ("p99"). Expressions (metric math, SEARCH, SQL) are refused.
"""

import asyncio
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from headwater.api.cloudwatch_wire import CloudWatchError, Members, shown
from headwater.store.records import Position, Scope

MAX_QUERIES = 500
MAX_DATA_POINTS = 100_800
"""Of one answer of GetMetricData; more come on the next page."""
MAX_STATISTICS_POINTS = 1440
MAX_LISTED = 500
MAX_PERIOD_S = 86_400
SHORT_PERIODS_S = (1, 5, 10, 20, 30)
MINUTE_S = 60
LATEST_S = 253_402_214_400
"""The end of the year 9999 but for a day: what `datetime` can hold."""

_QUERY_ID = re.compile(r"[a-z][a-zA-Z0-9_]{0,254}")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,10})?|100)")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


class Metrics(Protocol):
    """Where the samples are."""

    def unit(self, namespace: str, name: str) -> str:
        """The unit of a metric; "" of one that there is not."""

    def samples(
        self,
        scope: Scope,
        metric: tuple[str, str],
        dimensions: Mapping[str, str],
        period: tuple[int, int, int],
    ) -> Iterator[dict[int, list[float]]]:
        """The samples of a namespace's metric by the beginning of their period, part by part.

        Each part is made in a moment; a period may be in several. `period` is the first
        second (Unix), the one behind the last, and each one's length.
        """

    def metrics(self, scope: Scope) -> list[tuple[str, str, dict[str, str]]]:
        """Namespace, name and dimensions of everything that has samples."""


class Source:
    """Metrics, read so that media need not wait: one part in each turn of the event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._turn = asyncio.Lock()

    async def samples(
        self,
        scope: Scope,
        metric: tuple[str, str],
        dimensions: Mapping[str, str],
        period: tuple[int, int, int],
    ) -> dict[int, list[float]]:
        """All parts of `Metrics.samples`, oldest period first."""
        parts = self.metrics.samples(scope, metric, dimensions, period)
        pools: dict[int, list[float]] = {}
        while True:
            async with self._turn:  # of everybody who asks, one
                part = next(parts, None)
                await asyncio.sleep(0)
            if part is None:
                return dict(sorted(pools.items()))
            for at_s, samples in part.items():
                pools.setdefault(at_s, []).extend(samples)


class Shape(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Base of what is asked; members that are not known are ignored."""


class Dimension(Shape, frozen=True, kw_only=True):
    """A name, and in a filter maybe no value."""

    name: str
    value: str | UnsetType = UNSET


class Metric(Shape, frozen=True, kw_only=True):
    """Which one."""

    namespace: str
    metric_name: str
    dimensions: list[Dimension] = []


class MetricStat(Shape, frozen=True, kw_only=True):
    """One statistic of a metric."""

    metric: Metric
    period: int
    stat: str
    unit: str = ""


class Query(Shape, frozen=True, kw_only=True):
    """One of those of GetMetricData."""

    id: str
    metric_stat: MetricStat | UnsetType = UNSET
    expression: str = ""
    label: str = ""
    return_data: bool = True


class GetMetricData(Shape, frozen=True, kw_only=True):
    """Its input."""

    metric_data_queries: list[Query]
    start_time: float | str
    end_time: float | str
    next_token: str = ""
    scan_by: Literal["TimestampDescending", "TimestampAscending"] = "TimestampDescending"
    max_datapoints: int = MAX_DATA_POINTS


class GetMetricStatistics(Shape, frozen=True, kw_only=True):
    """Its input."""

    namespace: str
    metric_name: str
    dimensions: list[Dimension] = []
    start_time: float | str
    end_time: float | str
    period: int
    statistics: list[str] = []
    extended_statistics: list[str] = []
    unit: str = ""


class ListMetrics(Shape, frozen=True, kw_only=True):
    """Its input."""

    namespace: str = ""
    metric_name: str = ""
    dimensions: list[Dimension] = []
    next_token: str = ""
    owning_account: str = ""


ShapeT = TypeVar("ShapeT", bound=Shape)


def read(shape: type[ShapeT], members: Members, *, all_texts: bool) -> ShapeT:
    """A request's members as its shape.

    Raises:
        CloudWatchError: one is missing or of another type.
    """
    try:
        return msgspec.convert(members, shape, strict=not all_texts)
    except msgspec.ValidationError as error:
        if missing := _MISSING.match(str(error)):
            raise CloudWatchError(
                "MissingParameter",
                f"The parameter {missing[1]} is required.",
                shape="MissingRequiredParameterException",
            ) from None
        raise _wrong(str(error)) from None


async def metric_data(
    source: Source, scope: Scope, asked: GetMetricData, after: Position | None
) -> tuple[Members, Position | None]:
    """GetMetricData's result, and where the next page goes on.

    A position is a query's place, and the time of the last value given of it, 0 for none.

    Raises:
        CloudWatchError: something of it cannot be had.
    """
    times = _times(asked.start_time, asked.end_time)
    _check_queries(asked)
    queries = [each for each in asked.metric_data_queries if each.return_data]
    place, given_s = (int(after.id), after.created_at_ms) if after else (0, 0)
    room, results = asked.max_datapoints, list[Members]()
    following = None
    while place < len(queries) and following is None:
        points = await _points(source, scope, queries[place], times)
        if asked.scan_by == "TimestampDescending":
            points = [each for each in reversed(points) if not given_s or each[0] < given_s]
        else:
            points = [each for each in points if each[0] > given_s]
        results.append(_result(queries[place], points[:room], is_whole=len(points) <= room))
        if len(points) > room:
            following = Position(points[room - 1][0], str(place))
        room, place, given_s = room - len(points), place + 1, 0
        if room == 0 and place < len(queries):
            following = Position(0, str(place))
    return {"MetricDataResults": results, "Messages": []}, following


async def metric_statistics(source: Source, scope: Scope, asked: GetMetricStatistics) -> Members:
    """GetMetricStatistics' result.

    Raises:
        CloudWatchError: something of it cannot be had.
    """
    start_s, end_s = _times(asked.start_time, asked.end_time)
    period_s = _checked_period(asked.period)
    if not asked.statistics and not asked.extended_statistics:
        raise CloudWatchError(
            "MissingParameter",
            "One of the parameters Statistics and ExtendedStatistics is required.",
            shape="MissingRequiredParameterException",
        )
    if strange := set(asked.statistics) - set(_STATISTICS):
        raise _wrong(f"{shown(min(strange))} is not one of the Statistics.")
    functions = {name: _STATISTICS[name] for name in asked.statistics}
    more = {name: _statistic(name) for name in asked.extended_statistics}
    count = math.ceil((end_s - start_s) / period_s)
    if count > MAX_STATISTICS_POINTS:
        raise CloudWatchError(
            "InvalidParameterCombination",
            f"You have requested up to {count:,} datapoints, which exceeds the limit of "
            f"{MAX_STATISTICS_POINTS:,}. You may reduce the datapoints requested by increasing "
            "Period, or decreasing the time range.",
            shape="InvalidParameterCombinationException",
        )
    metric = (asked.namespace, asked.metric_name)
    unit = source.metrics.unit(*metric)
    if asked.unit and asked.unit != unit:
        return {"Label": asked.metric_name, "Datapoints": []}
    period = _whole(start_s, end_s, period_s)
    found = await source.samples(scope, metric, _named(asked.dimensions), period)
    points = []
    for at_s, samples in found.items():
        point: Members = {"Timestamp": datetime.fromtimestamp(at_s, UTC)}
        point |= {name: float(function(samples)) for name, function in functions.items()}
        if more:
            values = {name: float(function(samples)) for name, function in more.items()}
            point["ExtendedStatistics"] = values
        points.append(point | {"Unit": unit})
    return {"Label": asked.metric_name, "Datapoints": points}


def listed(
    metrics: Metrics, scope: Scope, asked: ListMetrics, after: Position | None
) -> tuple[Members, Position | None]:
    """ListMetrics' result, and where the next page goes on."""
    if asked.owning_account not in {"", scope.account}:
        return {"Metrics": []}, None
    begin = after.created_at_ms if after else 0
    fitting = [each for each in metrics.metrics(scope) if _fits(each, asked)]
    page = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": each, "Value": value} for each, value in dimensions.items()],
        }
        for namespace, name, dimensions in fitting[begin : begin + MAX_LISTED]
    ]
    end = begin + MAX_LISTED
    return {"Metrics": page}, Position(end, "metrics") if end < len(fitting) else None


def _fits(metric: tuple[str, str, dict[str, str]], asked: ListMetrics) -> bool:
    namespace, name, dimensions = metric
    return (
        asked.namespace in {"", namespace}
        and asked.metric_name in {"", name}
        and all(
            each.name in dimensions and each.value in {UNSET, dimensions[each.name]}
            for each in asked.dimensions
        )
    )


def _check_queries(asked: GetMetricData) -> None:
    queries = asked.metric_data_queries
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise _invalid(f"MetricDataQueries must have 1 to {MAX_QUERIES} queries.")
    if not 1 <= asked.max_datapoints <= MAX_DATA_POINTS:
        raise _invalid(f"MaxDatapoints must be 1 to {MAX_DATA_POINTS}.")
    if len({each.id for each in queries}) < len(queries):
        raise _invalid("The Ids of the MetricDataQueries must be unique.")
    for each in queries:
        if not _QUERY_ID.fullmatch(each.id):
            raise _invalid(
                f'The Id "{shown(each.id)}" must begin with a lower-case letter and have only '
                "letters, digits and underscores."
            )
        if each.expression:
            raise _invalid("Expressions are not supported; ask for each metric by MetricStat.")
        if each.metric_stat is UNSET:
            raise _invalid(f'The query "{each.id}" needs a MetricStat.')
        _checked_period(each.metric_stat.period)
        _statistic(each.metric_stat.stat)


async def _points(
    source: Source, scope: Scope, query: Query, times: tuple[float, float]
) -> list[tuple[int, float]]:
    """A query's periods and their values, oldest first."""
    if query.metric_stat is UNSET:
        return []
    stat, metric = query.metric_stat, query.metric_stat.metric
    name = (metric.namespace, metric.metric_name)
    if stat.unit and stat.unit != source.metrics.unit(*name):
        return []
    function = _statistic(stat.stat)
    period = _whole(*times, stat.period)
    found = await source.samples(scope, name, _named(metric.dimensions), period)
    return [(at_s, float(function(samples))) for at_s, samples in found.items()]


def _result(query: Query, points: Sequence[tuple[int, float]], *, is_whole: bool) -> Members:
    name = query.metric_stat.metric.metric_name if query.metric_stat is not UNSET else ""
    return {
        "Id": query.id,
        "Label": query.label or name,
        "Timestamps": [datetime.fromtimestamp(at_s, UTC) for at_s, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete" if is_whole else "PartialData",
    }


def _statistic(name: str) -> Callable[[Sequence[float]], float]:
    """What makes one value of a period's samples, of which there is at least one."""
    if found := _STATISTICS.get(name):
        return found
    if percentile := _PERCENTILE.fullmatch(name):
        return lambda samples: _percentile(samples, float(percentile[1]))
    raise _wrong(
        f"The statistic {shown(name)} is not supported; there are {', '.join(_STATISTICS)} and "
        "percentiles such as p99."
    )


def _average(samples: Sequence[float]) -> float:
    return math.fsum(samples) / len(samples)


def _percentile(samples: Sequence[float], percent: float) -> float:
    """Between the two nearest samples, in proportion."""
    ordered = sorted(samples)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    above = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] + (above - ordered[low]) * (place - low)


_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SampleCount": len,
    "Average": _average,
    "Sum": math.fsum,
    "Minimum": min,
    "Maximum": max,
}


def _named(dimensions: Sequence[Dimension]) -> dict[str, str]:
    return {each.name: "" if each.value is UNSET else each.value for each in dimensions}


def _checked_period(period_s: int) -> int:
    is_long = period_s % MINUTE_S == 0 and MINUTE_S <= period_s <= MAX_PERIOD_S
    if not is_long and period_s not in SHORT_PERIODS_S:
        raise _wrong(
            f"Period must be 1, 5, 10, 20, 30 or a multiple of 60 seconds, at most {MAX_PERIOD_S}."
        )
    return period_s


def _whole(start_s: float, end_s: float, period_s: int) -> tuple[int, int, int]:
    """Only whole periods."""
    first, last = math.floor(start_s / period_s), math.ceil(end_s / period_s)
    return first * period_s, last * period_s, period_s


def _times(start: float | str, end: float | str) -> tuple[float, float]:
    start_s, end_s = _unix_s(start, "StartTime"), _unix_s(end, "EndTime")
    if start_s >= end_s:
        raise _wrong("The parameter StartTime must be less than the parameter EndTime.")
    return start_s, end_s


def _unix_s(time: float | str, name: str) -> float:
    if isinstance(time, str):
        try:
            read_at = datetime.fromisoformat(time)
        except ValueError:
            raise _wrong(f"{name} must be a time in ISO 8601 format.") from None
        time = (read_at if read_at.tzinfo else read_at.replace(tzinfo=UTC)).timestamp()
    if not 0 <= time <= LATEST_S:  # neither is a number that is none
        raise _wrong(f"{name} must be a time of this age.")
    return time


def _wrong(text: str) -> CloudWatchError:
    return CloudWatchError("InvalidParameterValue", text, shape="InvalidParameterValueException")


def _invalid(text: str) -> CloudWatchError:
    return CloudWatchError("ValidationError", text)

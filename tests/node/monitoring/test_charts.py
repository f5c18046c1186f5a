"""Charts against samples counted one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from headwater.node.monitoring import charts as module
from headwater.node.monitoring.charts import METRICS, NAMESPACE, TRACK, USAGE_NAMESPACE, Charts
from headwater.node.monitoring.series import (
    HAS_AUDIO,
    HAS_VIDEO,
    HEALTH_BITS,
    HEALTHY,
    IS_RECORDED,
    STARVING,
    UNKNOWN,
    Row,
    Series,
)
from headwater.store.records import Scope

SCOPE = Scope("000000000000", "us-west-2")
NOW_S = 1_700_000_040  # a whole minute
BOTH = HAS_VIDEO | HAS_AUDIO


class Log:
    """Some series, all of one scope."""

    def __init__(self, *series):
        self.all = list(series)

    def series(self, scope):
        return [each for each in self.all if each.scope == scope]


def series(rows, *, channel="a", first_s=NOW_S, name="st-1"):
    made = Series(SCOPE, channel, name, first_s)
    for row in rows:
        made.push(row)
    return made


def asked(charts, name, period=(NOW_S - 600, NOW_S + 600, 60), namespace=NAMESPACE, **dimensions):
    return merged(charts.samples(SCOPE, (namespace, name), dimensions, period))


def merged(parts):
    pools = {}
    for part in parts:
        for at_s, samples in part.items():
            pools.setdefault(at_s, []).extend(samples)
    return dict(sorted(pools.items()))


GOOD = Row(video_bytes=1000, audio_bytes=100, frames=30, viewers=2, state=HEALTHY | BOTH)
KEY = Row(video_bytes=2000, frames=30, keyframe_ms=2000, viewers=4, state=STARVING | HAS_VIDEO)
EARLY = Row(video_bytes=500, audio_bytes=50, frames=15, state=BOTH)
SOUND = Row(audio_bytes=200, viewers=1, state=UNKNOWN | HAS_AUDIO | IS_RECORDED)
ONE = series([EARLY, GOOD, KEY])
OTHER = series([SOUND, SOUND], channel="b", first_s=NOW_S + 2, name="st-2")

SAMPLES = [
    # id,                        metric,               dimensions,                      samples of the minute
    ("video",                    "IngestVideoBitrate", {"Channel": "a"},                [4000, 8000, 16_000]),
    ("video of a track",         "IngestVideoBitrate", {"Channel": "a", "Track": TRACK}, [4000, 8000, 16_000]),
    ("video of another track",   "IngestVideoBitrate", {"Channel": "a", "Track": "Track1"}, None),
    ("a channel by its ARN",     "IngestVideoBitrate", {"Channel": "arn:aws:ivs:us-west-2:000000000000:channel/a"}, [4000, 8000, 16_000]),
    ("sound has no pictures",    "IngestVideoBitrate", {"Channel": "b"},                None),
    ("sound",                    "IngestAudioBitrate", {"Channel": "a"},                [400, 800]),
    ("sound of all",             "IngestAudioBitrate", {},                              None),
    ("both",                     "IngestBitrate",      {"Channel": "a"},                [4400, 8800, 16_000]),
    ("both of all",              "IngestBitrate",      {},                              [4400, 8800, 16_000, 1600, 1600]),
    ("frames",                   "IngestFramerate",    {"Channel": "a"},                [15, 30, 30]),
    ("frames of all",            "IngestFramerate",    {},                              [15, 30, 30]),
    ("key frames",               "KeyframeInterval",   {"Channel": "a"},                [2]),
    ("viewers of one",           "ConcurrentViews",    {"Channel": "a"},                [2, 4]),
    ("viewers of all",           "ConcurrentViews",    {},                              [2, 5, 1]),
    ("streams",                  "ConcurrentStreams",  {},                              [1, 2, 1]),
    ("starving ones",            "ConcurrentStreams",  {"Health": "STARVING"},          [0, 1, 0]),
    ("unknown ones",             "ConcurrentStreams",  {"Health": "UNKNOWN"},           [0, 1, 1]),
    ("a health that is none",    "ConcurrentStreams",  {"Health": "FINE"},              None),
    ("streams of a channel",     "ConcurrentStreams",  {"Channel": "a"},                None),
    ("time in",                  "LiveInputTime",      {},                              [1, 1, 1, 1]),
    ("time out",                 "LiveDeliveredTime",  {},                              [2, 4, 1, 1]),
    ("time recorded",            "RecordedTime",       {"Channel": "b"},                [1, 1]),
    ("a dimension that is none", "LiveInputTime",      {"Color": "red"},                None),
    ("a channel that is none",   "LiveInputTime",      {"Channel": "c"},                None),
    ("a metric that is none",    "IngestSmell",        {},                              None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dimensions", "samples"), [row[1:] for row in SAMPLES], ids=[row[0] for row in SAMPLES]
)
def test_the_samples_of_a_metric(name, dimensions, samples):
    found = asked(Charts(Log(ONE, OTHER)), name, **dimensions)

    assert found == ({} if samples is None else {NOW_S: samples})


def test_resource_use_of_the_account():
    charts = Charts(Log(ONE, OTHER))
    use = {"Service": "IVS", "Class": "None", "Type": "Resource"}

    def count(name="ResourceCount", **dimensions):
        return asked(charts, name, namespace=USAGE_NAMESPACE, **dimensions)

    assert count(**use, Resource="ConcurrentViews") == {NOW_S: [2, 5, 1]}
    assert count(**use, Resource="ConcurrentStreams") == {NOW_S: [1, 2, 1]}
    assert count(**use, Resource="Stages") == {}
    assert count(**(use | {"Service": "EC2"}), Resource="ConcurrentViews") == {}
    assert count("CallCount", **use, Resource="ConcurrentViews") == {}
    assert charts.unit(USAGE_NAMESPACE, "ResourceCount") == "None"


def test_another_account_or_namespace_has_no_samples():
    charts = Charts(Log(ONE))
    period = (NOW_S, NOW_S + 60, 60)

    assert (
        list(charts.samples(Scope("1" * 12, "us-west-2"), (NAMESPACE, "LiveInputTime"), {}, period))
        == []
    )
    assert charts.metrics(Scope("1" * 12, "us-west-2")) == []
    assert asked(charts, "LiveInputTime", namespace="AWS/EC2") == {}
    assert charts.unit("AWS/EC2", "LiveInputTime") == ""
    assert charts.unit(NAMESPACE, "IngestSmell") == ""
    assert charts.unit(NAMESPACE, "IngestFramerate") == "Count/Second"


def test_every_metric_that_has_samples_is_listed_with_its_dimensions():
    charts = Charts(Log(ONE, OTHER))

    listed = charts.metrics(SCOPE)

    assert (NAMESPACE, "IngestVideoBitrate", {"Channel": "a", "Track": TRACK}) in listed
    assert (NAMESPACE, "IngestVideoBitrate", {"Channel": "b"}) not in listed
    assert (NAMESPACE, "ConcurrentStreams", {"Health": "STARVING"}) in listed
    assert {name for space, name, _ in listed if space == NAMESPACE} == set(METRICS)
    use = {"Service": "IVS", "Class": "None", "Type": "Resource"}
    assert [each for each in listed if each[0] == USAGE_NAMESPACE] == [
        (USAGE_NAMESPACE, "ResourceCount", {**use, "Resource": resource})
        for resource in ("ConcurrentStreams", "ConcurrentViews")
    ]
    assert Charts(Log(series([EARLY]))).metrics(SCOPE)[0][1] == "IngestAudioBitrate"
    for namespace, name, dimensions in listed:
        found = charts.samples(SCOPE, (namespace, name), dimensions, (NOW_S, NOW_S + 60, 1))
        assert merged(found), (name, dimensions)


STATES = [0, HEALTHY, STARVING, UNKNOWN, HEALTHY | BOTH, STARVING | HAS_VIDEO, HAS_AUDIO]
rows = st.builds(
    Row,
    video_bytes=st.integers(0, 9),
    viewers=st.integers(0, 5),
    keyframe_ms=st.sampled_from([0, 0, 1000]),
    state=st.sampled_from(STATES),
).map(lambda row: row if row.state & HEALTH_BITS else replace(row, viewers=0))
lives = st.lists(st.tuples(st.integers(-40, 40), st.lists(rows, max_size=30)), max_size=4)


@settings(max_examples=80)
@given(
    lives,
    st.integers(-50, 50),
    st.integers(0, 100),
    st.sampled_from([1, 5, 10, 30, 60]),
    st.sampled_from([1, 30, 10_000]),
)
def test_any_period_holds_the_samples_of_a_plain_list(streams, begin, length, period_s, part_rows):
    all_series = [
        series(rows, first_s=NOW_S + offset, name=f"st-{n}")
        for n, (offset, rows) in enumerate(streams)
    ]
    plain = [
        (NOW_S + offset + n, row)
        for offset, rows in streams
        for n, row in enumerate(rows)
        if begin <= offset + n < begin + length
    ]
    charts = Charts(Log(*all_series))
    period = (NOW_S + begin, NOW_S + begin + length, period_s)

    pooled = {}
    for at_s, row in plain:
        if row.state & HAS_VIDEO:
            pooled.setdefault(at_s - at_s % period_s, []).append(8 * row.video_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART_ROWS", part_rows)
        bits = asked(charts, "IngestVideoBitrate", period, Channel="a")
        views = asked(charts, "ConcurrentViews", period)
    assert {at_s: sorted(each) for at_s, each in bits.items()} == {
        at_s: sorted(each) for at_s, each in pooled.items()
    }

    by_second = {}
    for at_s, row in plain:
        if row.state & HEALTH_BITS:
            by_second[at_s] = by_second.get(at_s, 0) + row.viewers
    summed = {}
    for at_s, viewers in sorted(by_second.items()):
        summed.setdefault(at_s - at_s % period_s, []).append(viewers)
    assert views == summed

"""The page of metrics, read with Prometheus' own parser."""

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metric_families,
)
from prometheus_client.parser import text_string_to_metric_families

from headwater.core.http import Request
from headwater.core.secret import Secret
from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.measure import Reading, Second
from headwater.node.monitoring.metrics import LAG_S, Lag, Metrics
from headwater.node.monitoring.series import SeriesLog
from headwater.node.streams.capacity import Capacity
from store.rows import channel

NOW_S = 1_700_000_000
VIDEO = VideoTrack(config=b"", codec_string="avc1.64001F", width=640, height=360, frame_rate=None)
AUDIO = AudioTrack(config=b"", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2)
TOKEN = "0123456789abcdef"


class Stream:
    """A broadcast of three seconds."""

    def __init__(self, channel_id, *, health="HEALTHY", is_live=True, video=True, transcodes=False):
        self.channel = channel(id=channel_id)
        self.stream_id = f"st-{channel_id}"
        self.is_live = is_live
        self.is_recorded = True
        self._health = health
        self._tracks = {"video": VIDEO, "audio": AUDIO} if video else {"audio": AUDIO}
        self._transcodes = transcodes

    def health(self):
        return self._health

    def viewer_count(self):
        return 7

    def waiting_count(self):
        return 3

    def transcoding(self):
        return object() if self._transcodes else None

    def measured(self):
        seconds = tuple(
            Second(
                start_ms=1000 * (NOW_S + n),
                frames=30,
                payload_bytes=1000,
                media_ms=1000,
                keyframe_interval_ms=None,
            )
            for n in range(3)
        )
        return {
            kind: Reading(
                track=track,
                since_ms=1000 * NOW_S,
                frames=90,
                media_ms=3000,
                seconds=seconds,
                bitrate_bps=8000.0,
                frame_rate=30.0,
                keyframe_interval_ms=2000 if kind == "video" else None,
            )
            for kind, track in self._tracks.items()
        }


class Live:
    def __init__(self, *streams):
        self.streams = streams

    def broadcasts(self):
        return list(self.streams)


def page_of(*streams, token="", capacity=None, lag=None):
    series = SeriesLog()
    series.look(streams, 1000 * (NOW_S + 3))
    return Metrics(Live(*streams), series, capacity or Capacity(None), lag or Lag(), Secret(token))


def asked(page, *headers, path="/metrics", method="GET", client_address="127.0.0.1"):
    return page.respond(
        Request(method=method, path=path, query="", headers=headers, client_address=client_address)
    )


def samples(response, parse=text_string_to_metric_families):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(response.body.decode())
        for sample in family.samples
    }


def test_each_stream_that_is_on_has_its_figures():
    figures = samples(asked(page_of(Stream("a"), Stream("b", health="STARVING"))))

    assert {name: value for name, value in figures.items() if name[-1] == "a"} == {
        ("ivs_concurrent_views", "a"): 7,
        ("ivs_ingest_video_bitrate_bps", "a"): 8000,
        ("ivs_ingest_audio_bitrate_bps", "a"): 8000,
        ("ivs_ingest_framerate", "a"): 30,
        ("ivs_keyframe_interval_seconds", "a"): 2,
        ("ivs_live_input_seconds_total", "a"): 3,
        ("ivs_live_delivered_seconds_total", "a"): 21,
        ("ivs_recorded_seconds_total", "a"): 3,
    }
    assert figures["ivs_concurrent_streams", "HEALTHY"] == 1
    assert figures["ivs_concurrent_streams", "STARVING"] == 1
    assert figures["ivs_concurrent_streams", "UNKNOWN"] == 0


def test_sound_alone_and_streams_that_are_not_live_yet():
    figures = samples(asked(page_of(Stream("a", video=False), Stream("b", is_live=False))))

    assert ("ivs_ingest_video_bitrate_bps", "a") not in figures
    assert figures["ivs_ingest_audio_bitrate_bps", "a"] == 8000
    assert ("ivs_concurrent_views", "b") not in figures
    assert figures["ivs_ingest_framerate", "b"] == 30
    assert figures["ivs_live_input_seconds_total", "b"] == 0
    assert figures["ivs_concurrent_streams", "HEALTHY"] == 1


def test_streams_that_are_over_have_no_labels():
    series = SeriesLog()
    series.look([Stream("a")], 1000 * (NOW_S + 3))
    series.look([], 1000 * (NOW_S + 4))
    page = Metrics(Live(), series, Capacity(None), Lag(), Secret(""))

    assert [name for name in samples(asked(page)) if "a" in name[1:]] == []


def test_the_server_itself():
    capacity, lag = Capacity(8.0), Lag()
    capacity.take(2.0)
    for late_s in (0.25, -0.001, 0.01):
        lag.note(late_s)
    streams = Stream("a", transcodes=True), Stream("b")

    figures = samples(asked(page_of(*streams, capacity=capacity, lag=lag)))

    assert figures["headwater_waiting_requests",] == 6
    assert figures["headwater_transcoders",] == 1
    assert figures["headwater_transcode_units_used",] == 2
    assert figures["headwater_transcode_units",] == 8
    assert figures["headwater_event_loop_lag_seconds",] == 0.25
    assert figures["process_cpu_seconds_total",] > 0
    assert ("headwater_transcode_units",) not in samples(asked(page_of()))


def test_lag_is_forgotten_after_a_minute_and_none_at_first():
    lag = Lag()
    assert lag.longest_s == 0
    lag.note(1.0)
    for _ in range(LAG_S):
        lag.note(0.1)

    assert lag.longest_s == 0.1


def test_openmetrics_for_who_wants_it():
    accept = ("accept", "application/openmetrics-text;version=nonsense,text/plain;q=0.5")
    response = asked(page_of(Stream("a")), accept)

    assert dict(response.headers)["Content-Type"].startswith("application/openmetrics-text")
    assert samples(response, open_metric_families)["ivs_live_input_seconds_total", "a"] == 3


def test_a_head_has_no_body_and_other_methods_and_paths_no_page():
    page = page_of(Stream("a"))

    assert (asked(page, method="HEAD").status, asked(page, method="HEAD").body) == (200, b"")
    assert asked(page, method="POST").status == 405
    assert asked(page, path="/metrics/") is None
    assert asked(page, path="/ListStreams") is None


ACCESS = [
    # id,                            token, who asks,          with,                                        status
    ("this machine",                 "",    "127.0.0.1",       [],                                          200),
    ("this machine by IPv6",         "",    "[::1]",           [],                                          200),
    ("this machine in IPv6 clothes", "",    "::ffff:127.0.0.1", [],                                         200),
    ("another machine",              "",    "192.0.2.7",       [],                                          403),
    ("nobody knows who",             "",    "",                [],                                          403),
    ("through a proxy",              "",    "127.0.0.1",       [("x-forwarded-for", "127.0.0.1")],          403),
    ("through a standard proxy",     "",    "127.0.0.1",       [("forwarded", "for=192.0.2.7")],            403),
    ("no token",                     TOKEN, "127.0.0.1",       [],                                          401),
    ("the token",                    TOKEN, "192.0.2.7",       [("authorization", f"Bearer {TOKEN}")],      200),
    ("the token in small letters",   TOKEN, "192.0.2.7",       [("authorization", f"bearer {TOKEN}")],      200),
    ("the token through a proxy",    TOKEN, "127.0.0.1",       [("authorization", f"Bearer {TOKEN}"), ("via", "x")], 200),
    ("another token",                TOKEN, "127.0.0.1",       [("authorization", "Bearer 0123456789abcdeF")], 401),
    ("no ASCII",                     TOKEN, "127.0.0.1",       [("authorization", "Bearer ü")],             401),
    ("another scheme",               TOKEN, "127.0.0.1",       [("authorization", f"Basic {TOKEN}")],       401),
]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "client_address", "headers", "status"),
    [row[1:] for row in ACCESS],
    ids=[row[0] for row in ACCESS],
)
def test_who_may_read(token, client_address, headers, status):
    response = asked(page_of(Stream("a"), token=token), *headers, client_address=client_address)

    assert response.status == status
    assert (b"ivs_" in response.body) == (status == 200)
    assert TOKEN.encode() not in response.body

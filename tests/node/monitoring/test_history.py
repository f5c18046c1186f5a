"""History: what a restart, a kill and a bad disk leave of the charts."""

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headwater.node.monitoring import history as module
from headwater.node.monitoring.history import FILE_S, FOLDER, Chunk, Files, History
from headwater.node.monitoring.series import HEALTHY, KEPT_S, SLACK_S, Row, Series, SeriesLog
from headwater.store.records import Scope

SCOPE = Scope("000000000000", "us-west-2")
NOW_S = 1_700_000_000
NAMES = ("video_bytes", "audio_bytes", "frames", "keyframe_ms", "viewers", "state")


def series_of(count, *, name="st-1", first_s=NOW_S, scope=SCOPE):
    made = Series(scope, "c", name, first_s)
    push(made, count)
    return made


def push(series, count):
    for at_s in range(series.end_s, series.end_s + count):
        number = abs(at_s - NOW_S)
        series.push(Row(video_bytes=number, frames=30, viewers=number, state=HEALTHY))


def written(folder, *counts, name="st-1"):
    """A stream's seconds, so many at a time, each with its own chunk."""
    files, made = Files(folder), series_of(0, name=name)
    for count in counts:
        push(made, count)
        files.write([module._chunk(made)], 1000 * made.end_s)
    return made


def columns(series):
    return {name: list(getattr(series, name)) for name in NAMES}


def same(found, expected):
    """Everything that charts show of a series."""
    return (found.scope, found.channel_id, found.stream_id, found.first_s, columns(found)) == (
        expected.scope,
        expected.channel_id,
        expected.stream_id,
        expected.first_s,
        columns(expected),
    )


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_what_is_read_is_what_was_written_however_often_that_was(tmp_path_factory, counts):
    folder = tmp_path_factory.mktemp("series")
    made = written(folder, *counts)
    written(folder, 3, name="st-2")

    found = {each.stream_id: each for each in Files(folder).read()}
    assert same(found["st-1"], made)
    assert len(found["st-2"]) == 3


def test_a_file_that_ends_anywhere_gives_what_is_whole_in_it(tmp_path):
    written(tmp_path, 3, 4)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    lengths = set()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        lengths |= {sum(map(len, Files(tmp_path).read()))}
        path.write_bytes(data[:end] + bytes(50))
        assert sum(map(len, Files(tmp_path).read())) in {0, 3, 7}

    assert lengths == {0, 3}


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(["a", "r", "c", "s", 1, [b"\0"] * 6], id="lengths"),
        pytest.param(["a", "r", "c", "s", 1, [b"\0" * 4] * 5], id="columns"),
        pytest.param(["a", "r", "c", "s", 1], id="members"),
        pytest.param({"a": 1}, id="map"),
    ],
)
def test_a_chunk_that_is_none_ends_its_file(tmp_path, chunk):
    written(tmp_path, 3)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + module._framed(chunk))

    assert [len(each) for each in Files(tmp_path).read()] == [3]


def test_seconds_that_are_missing_between_two_runs_begin_a_series_anew(tmp_path):
    files = Files(tmp_path)
    for first_s in (NOW_S, NOW_S + 100):
        files.write([module._chunk(series_of(5, first_s=first_s))], 1000 * first_s)

    (found,) = Files(tmp_path).read()
    assert same(found, series_of(5, first_s=NOW_S + 100))


def test_no_more_is_read_of_a_stream_than_charts_show(tmp_path):
    written(tmp_path, *[600] * 24)

    (found,) = Files(tmp_path).read()
    assert KEPT_S <= len(found) < KEPT_S + SLACK_S
    assert found.end_s == NOW_S + 24 * 600


def test_files_are_their_owners_alone_and_go_when_they_are_too_old(tmp_path):
    folder = tmp_path / FOLDER
    files, made = Files(folder), series_of(1)
    files.write([], 1000 * NOW_S)
    assert not folder.exists()
    (tmp_path / FOLDER).mkdir()
    (folder / "notes.series").write_text("not ours")

    counts = []
    for at_s in range(NOW_S, NOW_S + 2 * KEPT_S, 600):
        push(made, 1)
        files.write([module._chunk(made)], 1000 * at_s)
        counts.append(len(list(folder.iterdir())) - 1)

    assert max(counts) == KEPT_S // FILE_S + 2
    assert {path.stat().st_mode & 0o777 for path in folder.glob("[0-9]*")} == {0o600}
    files.write([], 1000 * (NOW_S + 4 * KEPT_S))
    assert [path.name for path in folder.iterdir()] == ["notes.series"]


def history(log, folder, now_s):
    return History(log, folder, now_ms=lambda: 1000 * now_s)


def ended(*series):
    log = SeriesLog()
    log.restore(series, 1000 * NOW_S)
    return log


async def test_the_next_run_has_the_charts_of_the_last_one(tmp_path):
    made = [
        series_of(0, name=name, first_s=NOW_S - offset) for name, offset in (("a", 9), ("b", 7))
    ]
    first = history(ended(*made), tmp_path, NOW_S)
    await first.start()
    for each in made:
        push(each, 5)
    await first.close()
    again = SeriesLog()
    second = history(again, tmp_path, NOW_S + 60)
    await second.start()
    await second.close()

    assert [each.stream_id for each in again] == ["a", "b"]
    assert all(map(same, again, made))
    assert len(list((tmp_path / FOLDER).iterdir())) == 1  # what was read is not written again
    late = SeriesLog()
    third = history(late, tmp_path, NOW_S + KEPT_S)
    await third.start()
    await third.close()
    assert list(late) == []


async def test_what_is_written_while_streams_go_on_outlives_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WRITE_S", 0.001)
    made = series_of(4)
    made.saved_s = NOW_S
    killed = history(ended(made), tmp_path, NOW_S + 4)
    await killed.start()
    async with asyncio.timeout(10):
        while not Files(tmp_path / FOLDER).read():  # noqa: ASYNC110 - a thread writes
            await asyncio.sleep(0.001)

    (found,) = Files(tmp_path / FOLDER).read()
    assert same(found, made)
    await killed.close()


async def test_a_start_does_not_wait_for_a_long_history(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "START_S", 0.01)
    made = written(tmp_path / FOLDER, 3)
    slow = tmp_path / FOLDER / "1.series"
    os.mkfifo(slow)  # reading it takes until somebody has written
    log = SeriesLog()
    one = history(log, tmp_path, NOW_S + 4)
    async with asyncio.timeout(10):
        await one.start()
        assert list(log) == []
        slow.write_bytes(b"")
        while not list(log):  # noqa: ASYNC110 - a thread reads
            await asyncio.sleep(0.001)

    (found,) = log
    assert same(found, made)
    await one.close()


async def test_a_disk_that_cannot_be_used_costs_the_charts_alone(tmp_path):
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    with capture_logs() as logs:
        one = history(ended(series_of(0)), tmp_path, NOW_S)
        await one.start()
        push(next(iter(one._series)), 2)
        await one.close()

    assert [line["event"] for line in logs] == ["charts of the last seconds are not kept"]


async def test_files_that_cannot_be_read_are_told_and_passed_over(tmp_path):
    (tmp_path / FOLDER / "1.series").mkdir(parents=True)
    log = SeriesLog()
    with capture_logs() as logs:
        one = history(log, tmp_path, NOW_S)
        await one.start()

    assert [line["event"] for line in logs] == ["charts begin anew: their files cannot be read"]
    await one.close()


def test_a_chunk_says_all_that_a_series_is_known_by():
    made = series_of(2, scope=Scope("1" * 12, "eu-west-1"))

    assert module._chunk(made) == Chunk(
        "1" * 12, "eu-west-1", "c", "st-1", NOW_S, made.columns_since(NOW_S)
    )
    assert module._chunk(made).columns == (b"",) * 6

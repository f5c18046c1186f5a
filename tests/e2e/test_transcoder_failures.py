"""What viewers and encoders see when a transcoder fails, or when there is no room for one."""

import os
import signal
import time
from pathlib import Path

import pytest

from e2e.harness import publishing, running_server, wait_for
from e2e.ladders import FLAGS, FPS, SETTLE_S, live, make_picture, probe


@pytest.fixture(scope="module")
def hd(tmp_path_factory):
    """720p: everything is encoded."""
    return make_picture(tmp_path_factory.mktemp("hd") / "hd.flv", "1280x720")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A little more than 720p: the input is a rendition too."""
    return make_picture(tmp_path_factory.mktemp("large") / "large.flv", "1296x730")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with running_server(data_dir, flags=[*FLAGS, "20"], transcode="on") as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


def transcoders(server):
    """The process ids of the server's transcoders."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        if parent == server.process.pid and b"headwater.media.transcode" in command:
            found.append(int(folder.name))
    return found


FAILURES = [
    # id,        signal,          container
    ("killed",   signal.SIGKILL,  "TS"),
    ("stopped",  signal.SIGSTOP,  "FRAGMENTED_MP4"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("signum", "container"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_who_watches_the_input_sees_nothing_of_a_failure(
    server, large, tmp_path, signum, container
):
    with live(server, large, containerFormat=container) as playback:
        passed, *encoded = playback.renditions
        assert passed == "730p30"
        playback.wait_for_segment(1)
        [before] = transcoders(server)
        os.kill(before, signum)
        wait_for(lambda: transcoders(server) not in ([], [before]), SETTLE_S, "another process")
        newest = max(playback.segments(passed))
        playback.wait_for_segment(newest + 4)
        rows = {name: playback.segments(name) for name in playback.renditions}
        playlists = {name: playback.playlist(name) for name in playback.renditions}
        extension = "ts" if container == "TS" else "m4s"
        init = b"" if container == "TS" else playback.media(passed, "init-0.mp4")
        media = [playback.media(passed, f"{number}.{extension}") for number in range(newest + 3)]

    assert "GAP" not in playlists[passed]
    assert "#EXT-X-DISCONTINUITY\n" not in "".join(playlists.values())
    found = probe(init + b"".join(media), tmp_path, "-show_streams", "-count_frames")
    counts = [int(each["nb_read_frames"]) for each in found["streams"] if "width" in each]
    lasting_s = sum(rows[passed][number][2] for number in range(newest + 3))
    assert counts == [round(FPS * lasting_s)]
    for name in encoded:
        common = set(rows[name]) & set(rows[passed])
        assert max(common) >= newest + 2
        assert {number: rows[name][number][:3] for number in common} == {
            number: rows[passed][number][:3] for number in common
        }
        assert "GAP=YES" in playlists[name]
        assert not rows[name][max(common)][3]  # it plays on
        assert playlists[name].rindex("GAP") < playlists[name].rindex("INDEPENDENT=YES")


def test_a_failure_without_a_passed_input_is_one_discontinuity_in_all_renditions(server, hd):
    with live(server, hd) as playback:
        playback.wait_for_segment(1)
        [before] = transcoders(server)
        os.kill(before, signal.SIGKILL)
        newest = max(playback.segments("720p30"))
        playback.wait_for_segment(newest + 3)
        rows = {name: playback.segments(name) for name in playback.renditions}

    common = set.intersection(*map(set, rows.values()))
    for number in common:
        assert len({rows[name][number] for name in rows}) == 1
    assert [row[0] for row in rows["720p30"].values()].count(True) == 1


def test_an_input_that_no_transcoder_takes_ends_the_stream(server, hd):
    with live(server, hd) as playback:
        deadline = time.monotonic() + 2 * SETTLE_S
        while not any("Stream Failure" in line for line in server.log):
            for pid in transcoders(server):
                os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert playback.playlist("160p30").endswith("#EXT-X-ENDLIST\n")
    assert wait_for(lambda: not transcoders(server), SETTLE_S, "no process to be left")


def test_a_stream_beyond_the_capacity_is_refused_and_others_go_on(tmp_path, hd):
    with running_server(tmp_path / "data", flags=[*FLAGS, "1"], transcode="on") as server:
        client = server.ivs()
        with live(server, hd) as first:
            made = client.create_channel(insecureIngest=True)
            ingest = server.ingest_url("rtmp", made["streamKey"]["value"])
            with publishing(hd, ingest) as refused:
                _, words = refused.communicate(timeout=SETTLE_S)
            assert refused.returncode != 0, words
            assert any(
                "Transcode capacity exceeded. Please try again." in line for line in server.log
            )
            with live(server, hd, type="BASIC") as passed:
                assert passed.renditions == ["720p30"]
            first.wait_for_segment(max(first.segments("160p30")) + 1)
        wait_for(lambda: not transcoders(server), SETTLE_S, "the process to end")
        with live(server, hd) as later:
            assert later.renditions == ["720p30", "480p30", "360p30", "160p30"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_server(tmp_path, source, signum):
    with running_server(tmp_path / "data", flags=[*FLAGS, "20"], transcode="on") as server:
        with live(server, source):
            [child] = transcoders(server)
            server.process.send_signal(signum)
            server.process.wait(10)
        wait_for(lambda: not Path(f"/proc/{child}").exists(), 5, "the transcoder to be gone")

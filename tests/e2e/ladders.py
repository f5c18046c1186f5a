"""Live ladders for end-to-end tests: sources, and a channel as a player sees it."""

import json
import re
import subprocess
import urllib.request
from contextlib import contextmanager

from e2e.harness import FFMPEG, publishing, wait_for, wait_until_live

FPS = 10  # a third of the usual work; the ladder is that of 30
SOURCE_S = 32  # a whole number of AAC frames, so that it can be sent in a loop
SETTLE_S = 20
FLAGS = ("--transcode-preset", "superfast", "--transcode-capacity-units")


def make_picture(path, size):
    """A moving picture and a tone, a key frame each second, as OBS would send them."""
    subprocess.run(
        [
            *FFMPEG, "-y",
            "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={FPS}:duration={SOURCE_S}",
            "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SOURCE_S}",
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
            "-g", str(FPS), "-sc_threshold", "0", "-b:v", "1500k",
            "-c:a", "aac", "-b:a", "128k", "-ac", "2",
            str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


class Playback:
    """A live channel, as a player sees it."""

    def __init__(self, server, channel):
        self._server = server
        self.url = channel["playbackUrl"]
        self.watch_url = f"{server.url}/watch/{channel['arn'].rpartition('/')[2]}"
        uris = [line for line in self.multivariant().splitlines() if line[:1] == "/"]
        self.renditions = [uri.split("/")[-2] for uri in uris]
        self._run = uris[0].rpartition("/")[0].rpartition("/")[0]

    def multivariant(self, query=""):
        return fetch(self.url + query).decode()

    def playlist(self, name):
        return fetch(f"{self._server.url}{self._run}/{name}/playlist.m3u8").decode()

    def media(self, name, file):
        return fetch(f"{self._server.url}{self._run}/{name}/{file}")

    def segments(self, name):
        """(discontinuity, time, duration, is a gap) of each complete segment, by number."""
        playlist = self.playlist(name)
        first = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", playlist)[1])
        rows, discontinuity, at, gap = {}, False, "", False
        for line in playlist.splitlines():
            if line == "#EXT-X-DISCONTINUITY":
                discontinuity = True
            elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                at = line.partition(":")[2]
            elif line == "#EXT-X-GAP":
                gap = True
            elif line.startswith("#EXTINF:"):
                duration = float(line[8:].split(",")[0])
            elif line[:1] not in ("#", ""):
                rows[first + len(rows)] = (discontinuity, at, duration, gap)
                discontinuity = gap = False
        return rows

    def wait_for_segment(self, number):
        """Until every rendition has it, complete."""
        wait_for(
            lambda: all(number in self.segments(name) for name in self.renditions),
            2 * SETTLE_S,
            f"segment {number}",
        )


def fetch(url):
    with urllib.request.urlopen(url, timeout=15) as answer:
        return answer.read()


@contextmanager
def live(server, source, **wishes):
    client = server.ivs()
    made = client.create_channel(insecureIngest=True, **wishes)
    ingest = server.ingest_url("rtmp", made["streamKey"]["value"])
    with publishing(source, ingest, loop=True):
        wait_until_live(client, made["channel"]["arn"])
        yield Playback(server, made["channel"])


def probe(data, tmp_path, *options):
    file = tmp_path / "media"
    file.write_bytes(data)
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", *options, str(file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return json.loads(done.stdout)

"""A recording in a folder, made by ffmpeg and by hand as AWS documents it: not by our recorder."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from obstore.store import LocalStore

from e2e.harness import FFMPEG
from headwater.recording.archive import place_of

ACCOUNT, CHANNEL = "123456789012", "aB3dE5gH7jK9"
GROUPS_PER_SEGMENT = 2
FPS = 30
CODECS = 'CODECS="avc1.42C01E,mp4a.40.2"'
LADDER = [("360p30", 640, 360), ("160p30", 284, 160)]


@dataclass
class Made:
    """Where it is, and what it consists of."""

    root: Path  # the bucket
    prefix: str
    group_counts: list[int]  # groups of pictures (1 s each) of each segment

    @property
    def folder(self):
        return self.root / self.prefix

    @property
    def place(self):
        return place_of(self.prefix)

    @property
    def store(self):
        return LocalStore(self.root)

    def path(self, key):
        return self.folder / key

    def event(self, name="recording-ended"):
        return json.loads(self.path(f"events/{name}.json").read_bytes())

    def put_event(self, event, name="recording-ended"):
        self.path(f"events/{name}.json").write_text(json.dumps(event))


def groups(folder, container, *, seconds, width, height, frequency=440):
    """Groups of pictures of a second each, as files that continue each other; and an init."""
    folder.mkdir(parents=True)
    command = [
        *FFMPEG, "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={FPS}:duration={seconds}",
        "-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate=48000:duration={seconds}",
        "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", str(FPS), "-sc_threshold", "0",
        "-pix_fmt", "yuv420p", "-b:v", "300k", "-c:a", "aac", "-ac", "2", "-flags", "+cgop",
    ]  # fmt: skip
    if container == "TS":
        command += [
            "-f", "segment", "-segment_time", "1", "-segment_format", "mpegts",
            "-individual_header_trailer", "0", str(folder / "%d.ts"),
        ]  # fmt: skip
    else:
        command += [
            "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_segment_type", "fmp4",
            "-hls_segment_filename", str(folder / "%d.m4s"), str(folder / "index.m3u8"),
        ]  # fmt: skip
    subprocess.run(command, check=True)
    ending = "ts" if container == "TS" else "m4s"
    files = sorted(folder.glob(f"*.{ending}"), key=lambda path: int(path.stem))
    init = (folder / "init.mp4").read_bytes() if container != "TS" else None
    return [path.read_bytes() for path in files], init


def make_recording(
    root, work, *, container="TS", seconds=5, start=None, recording_id="rec0123456AB", runs=1,
    status="RECORDING_ENDED", thumbnails=2, account=ACCOUNT, channel=CHANNEL,
):  # fmt: skip
    """Write one; `runs` streams of `seconds` each, merged with a discontinuity between them."""
    start = start or datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    minute = f"{start.year}/{start.month}/{start.day}/{start.hour}/{start.minute}"
    prefix = f"ivs/v1/{account}/{channel}/{minute}/{recording_id}"
    folder = root / prefix
    counts = []
    for path, width, height in LADDER:
        counts = _rendition(
            folder / "media/hls" / path, work / path, container, start,
            seconds=seconds, runs=runs, width=width, height=height, is_over=status != "RECORDING_STARTED",
        )  # fmt: skip
    for name, of in (
        ("master.m3u8", "playlist.m3u8"),
        ("byte-range-multivariant.m3u8", "byte-range-variant.m3u8"),
    ):
        lines = [
            "#EXTM3U",
            f'#EXT-X-SESSION-DATA:DATA-ID="net.live-video.content.id",VALUE="{channel}"',
        ]
        for path, width, height in LADDER:
            size = f"RESOLUTION={width}x{height}"
            lines += [
                f'#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="{path}",NAME="{path}",AUTOSELECT=YES,DEFAULT=YES',
                f'#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH={height * 2000},{CODECS},{size},VIDEO="{path}"',
                f"{path}/{of}",
            ]
        (folder / "media/hls" / name).write_text("\n".join(lines) + "\n")
    (folder / "media/thumbnails").mkdir()
    picture = _jpeg(640, 360)
    for number in range(thumbnails):
        (folder / f"media/thumbnails/thumb{number}.jpg").write_bytes(picture)
    (folder / "events").mkdir()
    (folder / "events/ivs-check").write_bytes(b"")
    made = Made(root, prefix, counts)
    arn = f"arn:aws:ivs:us-east-1:{account}:channel/{channel}"
    made.put_event(_event("RECORDING_STARTED", arn, start, 0), "recording-started")
    if status != "RECORDING_STARTED":
        name = "recording-ended" if status == "RECORDING_ENDED" else "recording-failed"
        made.put_event(_event(status, arn, start, 1000 * seconds * runs), name)
    return made


def _rendition(folder, work, container, start, *, seconds, runs, width, height, is_over):
    folder.mkdir(parents=True)
    ending = "ts" if container == "TS" else "m4s"
    version = 3 if container == "TS" else 6
    whole = [
        "#EXTM3U", f"#EXT-X-VERSION:{version}", "#EXT-X-TARGETDURATION:12",
        "#ID3-EQUIV-TDTG:2026-03-04T05:06:30", "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-TWITCH-ELAPSED-SECS:0.000", f"#EXT-X-TWITCH-TOTAL-SECS:{seconds * runs}.000",
    ]  # fmt: skip
    ranged = [
        "#EXTM3U", f"#EXT-X-VERSION:{max(4, version)}", "#EXT-X-TARGETDURATION:12",
        "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-MEDIA-SEQUENCE:0",
    ]  # fmt: skip
    number, at, counts = 0, start, []
    for run in range(runs):
        pieces, init = groups(
            work / str(run), container, seconds=seconds, width=width, height=height,
            frequency=440 * (run + 1),
        )  # fmt: skip
        for first in range(0, len(pieces), GROUPS_PER_SEGMENT):
            several = pieces[first : first + GROUPS_PER_SEGMENT]
            name = f"{number}.{ending}"
            (folder / name).write_bytes(b"".join(several))
            leading = ["#EXT-X-DISCONTINUITY"] if run and first == 0 else []
            if init is not None and first == 0:
                (folder / f"init-{run}.mp4").write_bytes(init)
                leading.append(f'#EXT-X-MAP:URI="init-{run}.mp4"')
            whole += [
                *leading, f"#EXT-X-PROGRAM-DATE-TIME:{_iso(at)}", f"#EXTINF:{len(several)}.000,", name,
            ]  # fmt: skip
            ranged += leading
            offset = 0
            for piece in several:
                ranged += [
                    f"#EXT-X-PROGRAM-DATE-TIME:{_iso(at)}", "#EXTINF:1.000,",
                    f"#EXT-X-BYTERANGE:{len(piece)}@{offset}", name,
                ]  # fmt: skip
                offset += len(piece)
                at += timedelta(seconds=1)
            counts.append(len(several))
            number += 1
    if is_over:
        whole.append("#EXT-X-ENDLIST")
        ranged.append("#EXT-X-ENDLIST")
        (folder / "byte-range-variant.m3u8").write_text("\n".join(ranged) + "\n")
    (folder / "playlist.m3u8").write_text("\n".join(whole) + "\n")
    return counts


def _event(status, arn, start, duration_ms):
    is_over = status != "RECORDING_STARTED"
    duration = {"duration_ms": duration_ms} if is_over else {}
    ended = {"recording_ended_at": _iso(start + timedelta(milliseconds=duration_ms))}
    return {
        "version": "v1",
        "recording_started_at": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **(ended if is_over else {}),
        "channel_arn": arn,
        "recording_status": status,
        "media": {
            "hls": {
                **duration,
                "path": "media/hls",
                "playlist": "master.m3u8",
                "byte_range_playlist": "byte-range-multivariant.m3u8",
                "renditions": [
                    {
                        "path": path,
                        "playlist": "playlist.m3u8",
                        "byte_range_playlist": "byte-range-variant.m3u8",
                        "resolution_width": width,
                        "resolution_height": height,
                    }
                    for path, width, height in LADDER
                ],
            },
            "thumbnails": {
                "path": "media/thumbnails",
                "resolution_width": 640,
                "resolution_height": 360,
            },
        },
    }


def _iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _jpeg(width, height):
    command = [
        *FFMPEG, "-f", "lavfi", "-i", f"color=teal:size={width}x{height}:duration=1",
        "-frames:v", "1", "-pix_fmt", "yuvj420p", "-strict", "unofficial", "-f", "mjpeg", "-",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=True).stdout

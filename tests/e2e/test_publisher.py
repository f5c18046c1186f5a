"""The encoder of the test picture in real time, into a real server."""

import shutil
import subprocess
import time

import av

from headwater.publisher.strip import read_strip
from publisher.test_main import KEY, finished, free_port, start


def test_a_real_server_gets_every_frame_and_a_clean_end(tmp_path):
    port, target = free_port(), tmp_path / "out.flv"
    url = f"rtmp://127.0.0.1:{port}/app/{KEY}"
    server = subprocess.Popen(
        [shutil.which("ffmpeg"), "-v", "quiet", "-listen", "1", "-i", url, "-c", "copy", target]
    )
    deadline_s = time.monotonic() + 10
    process = start(url, "--seconds", "2")
    while finished(process) != (0, "") and time.monotonic() < deadline_s:
        process = start(url, "--seconds", "2")  # ffmpeg was not listening yet
    server.wait(10)

    with av.open(str(target)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.profile, video.codec_context.has_b_frames) == ("Main", False)
        assert (audio.codec_context.profile, audio.codec_context.sample_rate) == ("LC", 48_000)
        frames = list(container.decode(video=0))
    strips = [
        read_strip(bytes(frame.planes[0]), frame.planes[0].line_size, frame.width, frame.height)
        for frame in frames
    ]
    assert [number for _, number in strips] == list(range(60))
    assert [index for index, frame in enumerate(frames) if frame.key_frame] == [0, 30]
    assert [ms - strips[0][0] for ms, _ in strips] == [index * 1000 // 30 for index in range(60)]

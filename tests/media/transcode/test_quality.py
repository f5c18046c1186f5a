"""Pictures as good as those of the ffmpeg command line at the same bitrate and preset."""

import re
import subprocess

import pytest

from headwater.media.codec import h264
from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.wire import EncoderSettings
from media.transcode.clips import make_clip, requests_of, transcode

PICTURE = "mandelbrot=size=640x360:rate=30:end_scale=0.01,noise=alls=6:allf=t"
NOISE_DB = 0.3
NOISE_SSIM = 0.004
RENDITIONS = tuple(
    Rendition(name=f"{height}p30", width=width, height=height, frame_rate=FrameRate(30), video_bps=bps)
    for width, height, bps in ((480, 270, 500_000), (284, 160, 200_000))
)  # fmt: skip

pytestmark = pytest.mark.e2e


def test_planes_and_structure_equal_ffmpegs_within_noise(tmp_path):
    source = tmp_path / "source.flv"
    clip = make_clip(source, PICTURE, seconds=4, options=("-b:v", "8M"))
    result = transcode(requests_of(clip, RENDITIONS, EncoderSettings(live=False)))

    for index, each in enumerate(RENDITIONS):
        ours, theirs = tmp_path / "ours.h264", tmp_path / "theirs.h264"
        ours.write_bytes(annex_b(result.tracks[index][0].video, result.video[index]))
        ffmpeg_encode(source, each, theirs)
        size = ours.stat().st_size / theirs.stat().st_size
        assert size == pytest.approx(1, abs=0.05)
        (our_db, our_ssim), (db, ssim) = (likeness(file, source, each) for file in (ours, theirs))
        for our_plane, plane in zip(our_db, db, strict=True):
            assert our_plane > plane - NOISE_DB
        assert our_ssim > ssim - NOISE_SSIM


def annex_b(track, packets):
    sets = h264.parameter_sets_annex_b(h264.parse_config(track.config))
    return b"".join(h264.to_annex_b(each.data, sets if each.keyframe else b"") for each in packets)


def ffmpeg_encode(source, rendition, path):
    bps = str(rendition.video_bps)
    subprocess.run(
        [
            "ffmpeg", "-v", "error", "-y", "-i", str(source), "-an",
            "-vf", f"scale={rendition.width}:{rendition.height}",
            "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "main",
            "-b:v", bps, "-maxrate", bps, "-bufsize", bps, "-force_key_frames", "source",
            "-x264-params", "keyint=infinite:scenecut=0:sliced-threads=0:threads=1", str(path),
        ],
        check=True,
    )  # fmt: skip


def likeness(path, source, rendition):
    """PSNR in dB of each plane, and SSIM, against the source, scaled with care.

    H.264's colour samples lie on the left of the luma's. swscale of ffmpeg 5 takes them to
    be in the middle, so a reference that it made would speak against who does it right.
    """
    size = f"{rendition.width}:{rendition.height}"
    reference = f"[1:v]zscale={size}:filter=lanczos:chromalin=left:chromal=left"
    graph = f"{reference},split[r][s];[0:v]split[a][b];[a][r]psnr;[b][s]ssim"
    text = subprocess.run(
        ["ffmpeg", "-hide_banner", "-r", "30", "-i", str(path), "-r", "30", "-i", str(source),
         "-lavfi", graph, "-f", "null", "-"],
        check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    planes = re.search(r"PSNR y:([\d.]+) u:([\d.]+) v:([\d.]+)", text)
    ssim = re.search(r"SSIM Y:([\d.]+)", text)
    return tuple(map(float, planes.groups())), float(ssim.group(1))

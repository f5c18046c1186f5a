"""Real encoders in all their habits: what viewers get is what each of them sent."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from e2e.harness import FFMPEG, publishing, wait_for, wait_until_live
from e2e.ladders import Playback

SECONDS = 5
BACK_S = 8  # from the second encoder's start to its first segment: 3 s of them to be sure
OBS_START_S = 60  # a desktop program on a software renderer
PICTURE = "testsrc2=size={size}:rate={fps}:duration={seconds}"
TONE = "sine=frequency=440:sample_rate={hz}:duration={seconds}"
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0"]


def make(
    path,
    *,
    size="320x180",
    fps="30",
    seconds=SECONDS,
    gop_s=1.0,
    b_frames=0,
    vf=None,
    hz=48_000,
    sound_at_s=0,
    sound=True,
    pictures=True,
):
    """An FLV file; `sound_at_s`: the sound starts so much later than the picture."""
    inputs, codecs = [], []
    if pictures:
        inputs += ["-f", "lavfi", "-i", PICTURE.format(size=size, fps=fps, seconds=seconds)]
        gop = max(1, round(gop_s * eval_rate(fps)))
        codecs += [*X264, "-g", str(gop), "-keyint_min", str(gop), "-bf", str(b_frames)]
        codecs += ["-vf", vf, "-fps_mode", "vfr"] if vf else []
    if sound:
        tone = TONE.format(hz=hz, seconds=seconds - sound_at_s)
        inputs += ["-itsoffset", str(sound_at_s), "-f", "lavfi", "-i", tone]
        codecs += ["-c:a", "aac", "-b:a", "96k"]
    subprocess.run([*FFMPEG, "-y", *inputs, *codecs, str(path)], check=True, timeout=60)
    return path


def eval_rate(fps):
    top, _, bottom = fps.partition("/")
    return int(top) / int(bottom or 1)


def shown(source, *options):
    """The hash of every picture that a player decodes."""
    done = subprocess.run(
        [
            *[*FFMPEG, *options, "-i", str(source)],
            *["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [row.rpartition(",")[2].strip() for row in rows]


VARIANTS = [
    # id,                     scheme,  container,         how it is encoded
    ("no B-frames",           "rtmp",  "TS",              {}),
    ("three B-frames",        "rtmps", "FRAGMENTED_MP4",  {"b_frames": 3}),
    ("three B-frames, TS",    "rtmp",  "TS",              {"b_frames": 3}),
    ("15 fps",                "rtmp",  "TS",              {"fps": "15"}),
    ("24000/1001 fps",        "rtmp",  "FRAGMENTED_MP4",  {"fps": "24000/1001"}),
    ("50 fps, 2 s GOP",       "rtmp",  "TS",              {"fps": "50", "gop_s": 2.0}),
    ("60 fps",                "rtmp",  "FRAGMENTED_MP4",  {"fps": "60"}),
    ("variable rate",         "rtmp",  "TS",              {"vf": "select=lt(mod(n\\,60)\\,30)+not(mod(n\\,5))"}),
    ("portrait",              "rtmp",  "TS",              {"size": "180x320"}),
    ("GOP of half a second",  "rtmp",  "TS",              {"gop_s": 0.5}),
    ("GOP of 10 s",           "rtmp",  "TS",              {"gop_s": 10.0, "seconds": 14}),
    ("sound joins late",      "rtmp",  "TS",              {"sound_at_s": 3, "seconds": 8}),
    ("video only",            "rtmp",  "FRAGMENTED_MP4",  {"sound": False}),
    ("44.1 kHz",              "rtmp",  "TS",              {"hz": 44_100}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "container", "how"), [r[1:] for r in VARIANTS], ids=[r[0] for r in VARIANTS]
)
def test_ffmpeg_in_all_its_variants(server, client, channel, tmp_path, scheme, container, how):
    source = make(tmp_path / "source.flv", **how)
    made, key = channel(insecureIngest=True, containerFormat=container)

    with publishing(source, server.ingest_url(scheme, key["value"])) as encoder:
        wait_until_live(client, made["arn"])
        received = shown(made["playbackUrl"], "-live_start_index", "0")
        assert encoder.wait(30) == 0

    assert received == shown(source)


def gstreamer(url, frames, *, b_frames):
    encoder = f"x264enc key-int-max=30 speed-preset=ultrafast bframes={b_frames}"
    encoder += " tune=zerolatency" if not b_frames else ""
    tail = " tls-validation-flags=0" if url.startswith("rtmps") else ""
    pipeline = (
        f"videotestsrc is-live=true num-buffers={frames} pattern=ball"
        " ! video/x-raw,format=I420,width=320,height=180,framerate=30/1"
        f" ! {encoder} ! h264parse ! queue ! flvmux name=mux streamable=true"
        f" ! rtmp2sink location={url}{tail}"
        f" audiotestsrc is-live=true num-buffers={frames * 48_000 // 30 // 1024}"
        " samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2"
        " ! audioconvert ! avenc_aac ! aacparse ! queue ! mux."
    )
    return subprocess.Popen(
        ["gst-launch-1.0", "-q", *pipeline.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def has_rtmp2sink():
    program = shutil.which("gst-inspect-1.0")
    return program is not None and all(
        subprocess.run([program, "--exists", element], check=False).returncode == 0
        for element in ("rtmp2sink", "x264enc", "avenc_aac")
    )


@pytest.mark.skipif(
    not has_rtmp2sink(), reason="GStreamer with rtmp2sink, x264enc and avenc_aac is not installed"
)
@pytest.mark.parametrize(
    ("scheme", "b_frames"),
    [("rtmp", 0), ("rtmps", 0), ("rtmp", 2)],
    ids=["RTMP", "RTMPS", "RTMP, B-frames"],
)
def test_gstreamer_publishes(server, client, channel, scheme, b_frames):
    made, key = channel(insecureIngest=True)
    encoder = gstreamer(server.ingest_url(scheme, key["value"]), 180, b_frames=b_frames)
    try:
        wait_until_live(client, made["arn"])
        received = shown(made["playbackUrl"], "-live_start_index", "0")
        assert encoder.wait(30) == 0
    finally:
        encoder.kill()
        said, _ = encoder.communicate()

    assert len(received) == 180, said


OBS_PROFILE = """
[General]
Name=test
[Video]
BaseCX=640
BaseCY=360
OutputCX=640
OutputCY=360
FPSCommon=30
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=800
StreamEncoder=x264
Preset=ultrafast
"""
OBS_GLOBAL = """
[General]
FirstRun=true
LastVersion=486539266
EnableAutoUpdates=false
[Basic]
Profile=test
ProfileDir=test
SceneCollection=test
SceneCollectionFile=test
"""
OBS_SCENES = {
    "name": "test",
    "current_scene": "Scene",
    "scene_order": [{"name": "Scene"}],
    "sources": [
        {"id": "color_source_v3", "name": "Colour", "settings": {"width": 640, "height": 360}},
        {
            "id": "scene",
            "name": "Scene",
            "settings": {"items": [{"name": "Colour", "id": 1, "visible": True}]},
        },
    ],
}


def obs_home(home, server, key):
    """The settings of an OBS that streams one colour to us."""
    config = home / ".config" / "obs-studio"
    profile = config / "basic" / "profiles" / "test"
    scenes = config / "basic" / "scenes"
    for folder in (profile, scenes):
        folder.mkdir(parents=True)
    (config / "global.ini").write_text(OBS_GLOBAL)
    (profile / "basic.ini").write_text(OBS_PROFILE)
    service = {"server": server, "key": key}
    (profile / "service.json").write_text(json.dumps({"type": "rtmp_custom", "settings": service}))
    (scenes / "test.json").write_text(json.dumps(OBS_SCENES))


# OBS trusts what is in this folder and nothing else; only its own view of it is changed.
TRUSTING = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
TRUST = 'mount --bind "$0" /etc/ssl/certs && exec "$@"'


@contextmanager
def running_obs(home, certificates):
    """OBS that trusts the certificates of a folder."""
    command = ["xvfb-run", "-a", "obs", "--startstreaming", "--multi", "--disable-updater"]
    process = subprocess.Popen(
        [*TRUSTING, TRUST, str(certificates), *command],
        env=os.environ
        | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_RUNTIME_DIR": str(home),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # xvfb-run, its X server and OBS
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def obs_is_missing():
    if not (shutil.which("obs") and shutil.which("xvfb-run")):
        return "OBS Studio or xvfb-run is not installed"
    if subprocess.run([*TRUSTING, TRUST, "/etc/ssl", "true"], check=False).returncode:
        return "a mount namespace is needed, and this user may not make one"
    return None


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
def test_obs_publishes(server, client, channel, tmp_path, scheme):
    if reason := obs_is_missing():
        pytest.skip(reason)
    made, key = channel(insecureIngest=scheme == "rtmp")
    # Its TLS library knows names only, not addresses.
    url = server.ingest_url(scheme, "").rstrip("/").replace("127.0.0.1", "localhost")
    obs_home(tmp_path, url, key["value"])
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    shutil.copy(server.data_dir / "certificate.pem", certificates)

    with running_obs(tmp_path, certificates):
        wait_for(lambda: client.list_streams()["streams"], OBS_START_S, "OBS to be live")
        received = shown(made["playbackUrl"], "-live_start_index", "0", "-t", "2")

    assert len(received) == 60
    # It was killed, so its stream waits for it.
    assert [each["channelArn"] for each in client.list_streams()["streams"]] == [made["arn"]]
    client.stop_stream(channelArn=made["arn"])
    assert client.list_streams()["streams"] == []
    assert any("obs-output module" in line for line in server.log)


def test_an_encoder_whose_network_went_away_is_back_within_seconds(server, client, channel, source):
    """R-47: the first connection is not closed, only silent."""
    made, key = channel(insecureIngest=True)
    url = server.ingest_url("rtmp", key["value"])
    with publishing(source, url, loop=True) as lost:
        before = wait_until_live(client, made["arn"])
        lost.send_signal(signal.SIGSTOP)
        playback = Playback(server, made)
        started = time.monotonic()
        with publishing(source, url, loop=True) as back:
            playback.wait_for_segment(max(playback.segments(playback.renditions[0])) + 1)
            assert time.monotonic() - started < BACK_S
            assert back.poll() is None
            assert wait_until_live(client, made["arn"])["streamId"] == before["streamId"]


def test_no_encoder_of_these_tests_made_the_server_complain(server):
    """Runs last in this file: warnings, errors and traces in the log of all of the above."""
    complaints = [
        line for line in server.log if re.search(r'"level":\s*"(warning|error)"|Traceback', line)
    ]

    assert complaints == []

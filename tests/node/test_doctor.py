import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from headwater.node import doctor
from headwater.node.certificate import certificate_files
from headwater.node.config import load_config
from headwater.node.keys import lock_data_dir, opened_store
from headwater.node.listen import listen, port_of
from headwater.node.sections import TranscodeSettings
from headwater.node.settings import Settings
from headwater.node.streams.capacity import Encoder, Probed

FREE_PORTS = {"http.port": 0, "http.tls_port": 0, "rtmp.port": 0, "rtmp.tls_port": 0}
WORKS = Encoder(offered=True, opens=True, reason="")
MISSING = Encoder(offered=False, opens=False, reason="this build has none")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Made from flags; nothing has been started with them."""
    monkeypatch.chdir(tmp_path)

    def make(**flags):
        dotted = {name.replace("__", "."): value for name, value in flags.items()}
        given = {"server.data_dir": str(tmp_path / "data"), "transcode.mode": "off"}
        return load_config({}, flags=given | FREE_PORTS | dotted).settings

    return make


def saying(probed):
    async def probe(*_):
        return probed

    return probe


async def examined(settings, what):
    return [each for each in await doctor.examine(settings) if each.what == what]


def states(findings):
    return [each.state for each in findings]


async def test_a_machine_that_nothing_was_started_on_has_no_problem(settings, tmp_path):
    findings = await doctor.examine(settings())

    assert "problem" not in states(findings)
    assert not (tmp_path / "data").exists()


async def test_a_port_that_is_taken_is_named(settings):
    with listen("127.0.0.1", 0, "x") as sock:
        port = port_of(sock)
        found = await examined(settings(http__port=port), "port")

    assert states(found) == ["problem", "ok", "ok", "ok"]
    assert found[0].text.startswith(f"http.port = {port}: cannot listen")
    assert "set http.port to another" in found[0].text


async def test_a_running_server_may_have_its_ports(settings, tmp_path):
    (tmp_path / "data").mkdir()
    with lock_data_dir(tmp_path / "data"), listen("127.0.0.1", 0, "x") as sock:
        [first, *_] = await examined(settings(http__port=port_of(sock)), "port")

    assert first.state == "ok"
    assert first.text.endswith("the running server has it")


async def test_a_data_directory_that_cannot_be_used_is_named(settings, tmp_path):
    (tmp_path / "file").write_text("")

    [found] = await examined(settings(server__data_dir=str(tmp_path / "file" / "data")), "disk")

    assert found.state == "problem"
    assert "set server.data_dir to another" in found.advice


async def test_a_disk_with_little_room_is_a_problem(settings, monkeypatch):
    monkeypatch.setattr(doctor, "LITTLE_DISK_BYTES", 1 << 60)

    [found] = await examined(settings(), "disk")

    assert (found.state, found.advice[:9]) == ("problem", "make room")


async def test_a_clock_in_the_past_is_a_problem(settings, monkeypatch):
    monkeypatch.setattr(doctor, "RELEASED", datetime.now(UTC) + timedelta(days=1))

    [found] = await examined(settings(), "clock")

    assert found.state == "problem"


async def test_certificates_are_read(settings, tmp_path, monkeypatch):
    files = certificate_files(
        certificate_file="", key_file="", data_dir=tmp_path, hosts=["localhost"]
    )
    paths = {
        "tls__certificate_file": str(files.certificate),
        "tls__key_file": str(files.key),
    }
    [found] = await examined(settings(**paths), "certificate")
    assert found.state == "ok"
    assert "good until 20" in found.text

    monkeypatch.setattr(doctor, "RENEW_DAYS", 10_000)
    [found] = await examined(settings(**paths), "certificate")
    assert found.state == "note"

    files.key.write_text("")
    [found] = await examined(settings(**paths), "certificate")
    assert found.state == "problem"
    assert "not a usable certificate" in found.text


async def test_a_database_that_cannot_be_read_is_a_problem(settings, tmp_path):
    async with opened_store(settings(), make=True):
        pass
    [found] = await examined(settings(), "database")
    assert found.state == "ok"

    database = tmp_path / "data" / "headwater.db"
    for file in database.parent.glob("headwater.db*"):
        file.unlink()
    database.write_bytes(b"This is no database. " * 500)
    [found] = await examined(settings(), "database")
    assert found.state == "problem"


PROBES = [
    # id,                    what the transcoder says,                          states of encoders, of the capacity
    ("fine",                 Probed(encoders={"x264": WORKS, "qsv": MISSING}, capacity_units=9.0, cores=8),
     ["ok", "ok"],      ["ok"]),
    ("chosen one missing",   Probed(encoders={"x264": MISSING, "qsv": WORKS}, capacity_units=9.0, cores=8),
     ["problem", "ok"], ["ok"]),
    ("a small machine",      Probed(encoders={"x264": WORKS}, capacity_units=0.7, cores=1),
     ["ok"],            ["note"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("probed", "encoders", "capacity"),
    [row[1:] for row in PROBES],
    ids=[row[0] for row in PROBES],
)
async def test_what_the_transcoder_says_is_told(monkeypatch, probed, encoders, capacity):
    monkeypatch.setattr(doctor, "probe", saying(probed))
    found = await doctor._transcoding(Settings())

    assert states([each for each in found if each.what == "encoder"]) == encoders
    assert states([each for each in found if each.what == "capacity"]) == capacity


async def test_a_transcoder_that_does_not_run_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "probe", saying(None))
    [found] = await doctor._transcoding(Settings())
    assert (found.state, found.what) == ("problem", "transcoding")

    off = structs.replace(Settings(), transcode=TranscodeSettings(mode="off"))
    [found] = await doctor._transcoding(off)
    assert found.state == "note"


def test_the_command_fails_where_there_is_a_problem(tmp_path):
    command = [sys.executable, "-m", "headwater.cli", "doctor", "--transcode-mode", "off"]
    for name in FREE_PORTS:
        command += [f"--{name.replace('.', '-').replace('_', '-')}", "0"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_")}

    def told(*flags):
        return subprocess.run(
            [*command, *flags],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    fine = told()
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "ok       disk:" in fine.stdout

    (tmp_path / "file").write_text("")
    broken = told("--server-data-dir", "file/data")
    assert broken.returncode == 1
    assert "problem  disk:" in broken.stdout

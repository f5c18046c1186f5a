import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from e2e.harness import REGION, headwater, publishing, running_server, wait_for, wait_until_live


def test_nothing_answered_is_lost_when_the_server_is_killed(tmp_path):
    data_dir = tmp_path / "data"
    with running_server(data_dir) as server:
        client = server.ivs()
        made = [client.create_channel(name=f"c{n}") for n in range(5)]
        client.delete_channel(arn=made[0]["channel"]["arn"])
        renamed = client.update_channel(arn=made[1]["channel"]["arn"], name="renamed")["channel"]
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        key = (server.access_key_id, server.secret_access_key)

    with running_server(data_dir, key) as server:
        client = server.ivs()
        names = [channel["name"] for channel in client.list_channels()["channels"]]
        assert names == ["renamed", "c2", "c3", "c4"]
        for answer in made[2:]:
            stored = client.get_stream_key(arn=answer["streamKey"]["arn"])["streamKey"]
            assert stored == answer["streamKey"]
        stored = client.get_channel(arn=renamed["arn"])["channel"]
        assert {k: stored[k] for k in ("arn", "name", "type")} == {
            k: renamed[k] for k in ("arn", "name", "type")
        }


def test_sigterm_ends_streams_and_the_server_without_a_trace(tmp_path, source):
    with running_server(tmp_path / "data") as server:
        client = server.ivs()
        answer = client.create_channel(insecureIngest=True)
        url = server.ingest_url("rtmp", answer["streamKey"]["value"])
        with publishing(source, url, loop=True) as encoder:
            wait_until_live(client, answer["channel"]["arn"])
            started = time.monotonic()

            assert server.stop() == 0

            assert time.monotonic() - started < 5
            encoder.wait(10)
    log = "".join(server.log)
    assert "Traceback" not in log
    assert [json.loads(line)["event"] for line in server.log][-1] == "stopped"


def test_a_second_server_on_the_same_data_directory_is_refused(server, tmp_path):
    done = headwater("serve", "--server-data-dir", str(server.data_dir), "--http-port", "0",
                     "--rtmp-port", "0", "--rtmp-tls-port", "0", "--http-tls-port", "0",
                     cwd=tmp_path)  # fmt: skip

    assert done.returncode == 2
    assert "another server is running on it" in done.stderr


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = headwater("serve", "--http-port", str(port), "--rtmp-port", "0",
                         "--rtmp-tls-port", "0", "--http-tls-port", "0", cwd=tmp_path)  # fmt: skip

    assert done.returncode == 2
    assert f"http.port = {port}" in done.stderr
    assert "the port is taken" in done.stderr
    assert "Traceback" not in done.stderr


BAD = [
    # id,            arguments,                       environment,                    says
    ("flag",         ["--http-port", "70000"],        {},                             "http.port = '70000' (flag --http-port): must be a whole number from 0 to 65535"),
    ("variable",     [],                              {"HEADWATER_HTTP_PORT": "x"},   "http.port = 'x'"),
    ("unknown",      [],                              {"HEADWATER_HTP_PORT": "1"},    "did you mean HEADWATER_HTTP_PORT?"),
    ("file",         ["--config", "nowhere.toml"],    {},                             "cannot read nowhere.toml"),
]  # fmt: skip


@pytest.mark.parametrize("command", [["serve"], ["config", "check"]], ids=["serve", "check"])
@pytest.mark.parametrize(
    ("arguments", "environment", "says"), [r[1:] for r in BAD], ids=[r[0] for r in BAD]
)
def test_a_bad_setting_is_refused_by_name(tmp_path, command, arguments, environment, says):
    done = headwater(*command, *arguments, cwd=tmp_path, **environment)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_are_made_listed_and_deleted(tmp_path):
    with running_server(tmp_path / "data") as server:
        folder = ["--server-data-dir", str(server.data_dir)]
        made = headwater("key", "create", "--description", "ci", *folder, cwd=tmp_path).stdout
        lines = dict(line.removeprefix("export ").split("=", 1) for line in made.splitlines())
        key_id, secret = lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]
        server.access_key_id, server.secret_access_key = key_id, secret
        client = server.ivs()
        assert client.list_channels()["channels"] == []

        listed = headwater("key", "list", *folder, cwd=tmp_path).stdout
        assert key_id in listed
        assert secret not in listed

        assert headwater("key", "delete", key_id, *folder, cwd=tmp_path).returncode == 0

        def refused():
            try:
                return client.list_channels() is None
            except client.exceptions.ClientError as error:
                return error.response["Error"]["Code"] == "UnrecognizedClientException"

        assert wait_for(refused, 3, "the key to be refused")
        gone = headwater("key", "delete", key_id, *folder, cwd=tmp_path)
        assert gone.returncode == 2
        assert "no access key" in gone.stderr


def test_the_aws_cli_works_with_the_printed_lines(server):
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_IVS": server.url,
    }

    def aws(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "awscli", "ivs", *arguments],
            capture_output=True, text=True, check=True, env=environment, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout else None

    made = aws("create-channel", "--name", "by-cli", "--tags", "team=live")
    arn = made["channel"]["arn"]
    assert aws("get-channel", "--arn", arn)["channel"]["tags"] == {"team": "live"}
    assert arn in [channel["arn"] for channel in aws("list-channels")["channels"]]
    assert aws("delete-channel", "--arn", arn) is None


def test_a_port_scan_disturbs_nothing(server):
    for port in ("rtmp_port", "rtmps_port"):
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x00" * 2000):
            with socket.create_connection(("127.0.0.1", server.ports[port]), timeout=5) as sock:
                sock.sendall(data)

    def quiet():
        return all("Traceback" not in line for line in server.log)

    assert wait_for(quiet, 5, "a quiet log")
    assert server.ivs().list_channels() is not None

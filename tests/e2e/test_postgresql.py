import signal

import pytest

import postgres
from e2e.harness import frame_hashes, publishing, running_server, wait_until_live

CHANNELS = 5


@pytest.fixture(scope="module")
def cluster():
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    with postgres.cluster("fsync=on") as cluster:
        yield cluster


def test_a_server_on_postgresql_publishes_plays_and_loses_nothing_when_it_is_killed(
    cluster, tmp_path, source
):
    flags = ("--store-url", cluster.url())
    data_dir = tmp_path / "data"
    with running_server(data_dir, flags=flags) as server:
        client = server.ivs()
        made = [client.create_channel(name=f"c{n}", tags={"n": str(n)}) for n in range(CHANNELS)]
        client.delete_channel(arn=made[0]["channel"]["arn"])
        live = client.create_channel(name="live", insecureIngest=True)
        channel = live["channel"]
        with publishing(source, server.ingest_url("rtmp", live["streamKey"]["value"]), loop=True):
            wait_until_live(client, channel["arn"])
            assert frame_hashes(channel["playbackUrl"], "-t", "2")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        key = (server.access_key_id, server.secret_access_key)
        assert postgres.PASSWORD not in "".join(server.log)

    with running_server(data_dir, key, flags=flags) as server:
        client = server.ivs()
        names = [each["name"] for each in client.list_channels()["channels"]]
        assert names == [*(f"c{n}" for n in range(1, CHANNELS)), "live"]
        for answer in made[1:]:
            stored = client.get_stream_key(arn=answer["streamKey"]["arn"])["streamKey"]
            assert stored == answer["streamKey"]
        again = server.ingest_url("rtmp", live["streamKey"]["value"])
        with publishing(source, again, loop=True):
            wait_until_live(client, channel["arn"])
    assert not list(data_dir.glob("*.db"))

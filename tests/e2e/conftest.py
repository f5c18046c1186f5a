from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from e2e.harness import make_source, running_server, servers

ALONE = ("test_transcoding.py", "test_watch_page.py")
"""They measure glitches and latency to the frame: nothing may run beside them."""
REAL_TIME = (
    "test_players.py",
    "test_metadata.py",
    "test_transcoder_failures.py",
    "test_demo.py",
    "test_viewer_resolution.py",
    "test_publisher.py",
)
"""They encode or decode in real time: one on each core is what a machine can bear."""
LONG = (
    "test_identities.py",
    "test_clients_sdks.py",
    "test_recorded_joins.py",
    "test_encoders.py",
    "test_clients_terraform.py",
    "test_recording_players.py",
    "test_events.py",
)
LOG_LINES = 150
FIRST = (*REAL_TIME, *LONG)
"""The longest run first, so that no process is left with one of them at the end."""


def pytest_collection_modifyitems(items):
    for item in items:
        name = item.path.name
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
            if name in ALONE:
                item.add_marker(pytest.mark.alone)
            elif name in REAL_TIME:
                item.add_marker(pytest.mark.real_time)
    items.sort(key=lambda item: [*FIRST, item.path.name].index(item.path.name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    """With a failed test comes what its servers logged."""
    report = yield
    if report.failed:
        for server in servers:
            words = "".join(server.log[-LOG_LINES:])
            report.sections.append((f"log of {server.data_dir}", words))
    if call.when == "teardown":
        servers[:] = [server for server in servers if server.process.poll() is None]
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def client(server):
    return server.ivs()


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("media") / "source.flv", seconds=10)


@pytest.fixture
def channel(client):
    """Makes channels; each is deleted at the end."""
    made = []

    def create(**wishes):
        answer = client.create_channel(**wishes)
        made.append(answer["channel"]["arn"])
        return answer["channel"], answer["streamKey"]

    yield create
    for arn in made:
        delete_channel(client, arn)


@pytest.fixture
def public_key_pem():
    """A viewer token's public key, as ImportPlaybackKeyPair takes it; a new one each time."""
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def delete_channel(client, arn):
    for _ in range(100):
        try:
            client.delete_channel(arn=arn)
        except client.exceptions.ConflictException:
            with suppress(client.exceptions.ChannelNotBroadcasting):  # it ends just now
                client.stop_stream(channelArn=arn)
        except client.exceptions.ResourceNotFoundException:
            return
        else:
            return

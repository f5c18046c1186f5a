"""The state of a recording configuration, from its bucket: a folder, or S3's."""

import pytest
import structlog
from msgspec.structs import replace

from headwater.node.recording.destinations import BUCKETS_FOLDER, Destinations, buckets_of
from headwater.node.sections import RecordingSettings
from headwater.store import Store
from headwater.store.records import RecordingConfigurationRecord
from seaweed import KEY, SECRET, running_service
from store.rows import recording_configuration

CREATING = recording_configuration(bucket_name="my-bucket", state="CREATING")


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path / 'headwater.db'}")
    async with store.write() as work:
        await work.insert(CREATING)
    yield store
    await store.close()


@pytest.fixture
def destinations(tmp_path, store):
    return Destinations(buckets_of(RecordingSettings(), tmp_path), store)


async def stored(store):
    async with store.read() as work:
        return await work.get(RecordingConfigurationRecord, CREATING.scope, CREATING.id)


async def test_a_bucket_becomes_a_folder_of_the_owner(destinations, store, tmp_path):
    destinations.check(CREATING)
    await destinations.settle()

    folder = tmp_path / BUCKETS_FOLDER / "my-bucket"
    assert await stored(store) == replace(CREATING, state="ACTIVE")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_a_failure_that_says_why(
    destinations, store, tmp_path
):
    (tmp_path / BUCKETS_FOLDER).write_text("")

    with structlog.testing.capture_logs() as logs:
        destinations.check(CREATING)
        await destinations.settle()

    assert await stored(store) == replace(CREATING, state="CREATE_FAILED")
    (line,) = logs
    assert (line["bucket"], line["log_level"]) == ("my-bucket", "warning")


async def test_the_state_follows_the_transaction_that_asked(destinations, store):
    async with store.write() as work:
        destinations.check(CREATING)
        await work.update(replace(CREATING, tags={"a": "b"}))
    await destinations.settle()

    assert await stored(store) == replace(CREATING, tags={"a": "b"}, state="ACTIVE")


async def test_one_that_is_gone_meanwhile_stays_gone(destinations, store):
    async with store.write() as work:
        await work.delete(RecordingConfigurationRecord, CREATING.scope, CREATING.id)
        destinations.check(CREATING)
    await destinations.settle()

    assert await stored(store) is None


async def test_asking_twice_looks_once(destinations):
    destinations.check(CREATING)
    destinations.check(CREATING)

    assert len(destinations._checks) == 1
    await destinations.settle()
    assert destinations._checks == {}


class BrokenStore:
    """A store whose transactions fail in a way that nobody foresaw."""

    def write(self):
        raise RuntimeError


async def test_a_database_that_fails_leaves_it_creating_and_says_so(tmp_path):
    destinations = Destinations(buckets_of(RecordingSettings(), tmp_path), BrokenStore())

    with structlog.testing.capture_logs() as logs:
        destinations.check(CREATING)
        await destinations.settle()

    assert [line["log_level"] for line in logs] == ["error"]


async def test_a_bucket_of_another_account_is_refused(destinations, store):
    other = replace(CREATING, id="zyxwZYXWvuts", account="999999999999")
    async with store.write() as work:
        await work.insert(other)
    destinations.check(CREATING)
    await destinations.settle()

    with structlog.testing.capture_logs() as logs:
        assert await destinations.state_of(other) == "CREATE_FAILED"
    assert [line["reason"] for line in logs] == ["it is another account's"]
    assert (await stored(store)).state == "ACTIVE"


async def test_the_state_is_known_to_whoever_waits_for_it(destinations):
    assert await destinations.state_of(CREATING) == "ACTIVE"
    assert await destinations.state_of(replace(CREATING, state="CREATE_FAILED")) == "CREATE_FAILED"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running_service(tmp_path_factory.mktemp("seaweed"), "my-bucket") as service:
        yield service


@pytest.mark.parametrize(
    ("bucket", "key", "expected"),
    [
        pytest.param("my-bucket", KEY, "ACTIVE", id="there"),
        pytest.param("my-bucket", "AKWRONGWRONGWRONG000", "CREATE_FAILED", id="wrong key"),
        pytest.param("no-such-bucket", KEY, "CREATE_FAILED", id="no such bucket"),
    ],
)
async def test_buckets_of_s3_are_written_to_read_and_left_as_they_were(
    tmp_path, store, service, bucket, key, expected
):
    settings = RecordingSettings(
        endpoint_url=service.url, access_key_id=key, secret_access_key=SECRET
    )
    destinations = Destinations(buckets_of(settings, tmp_path), store)

    asked = replace(CREATING, bucket_name=bucket)
    async with store.write() as work:
        await work.delete(RecordingConfigurationRecord, CREATING.scope, CREATING.id)
        await work.insert(asked)
    assert await destinations.state_of(asked) == expected
    assert service.keys("my-bucket") == []


def test_the_settings_of_recordings_hide_their_secret():
    assert SECRET not in repr(RecordingSettings(secret_access_key=SECRET))

"""Buckets as folders; those of S3 are tested with what uses them."""

import os
from pathlib import Path

import obstore
import pytest

from headwater.core.secret import Secret
from headwater.recording.objects import Buckets, S3Endpoint, StorageError


@pytest.fixture
def bucket(tmp_path):
    buckets = Buckets(tmp_path / "buckets", None)
    buckets.make("vod")
    return buckets.open("vod")


async def test_an_object_is_stored_read_and_removed(bucket):
    await bucket.put("a/b/c.json", b"one")
    await bucket.put("a/b/c.json", b"two")
    assert await bucket.get("a/b/c.json") == b"two"
    await bucket.delete("a/b/c.json")
    with pytest.raises(StorageError):
        await bucket.get("a/b/c.json")


async def test_a_file_is_stored_without_a_copy_where_both_are_on_one_disk(bucket, tmp_path):
    file = tmp_path / "0.ts"
    file.write_bytes(b"media")
    for _ in range(2):  # again, as after a kill
        await bucket.put("media/hls/0.ts", file)
    target = tmp_path / "buckets" / "vod" / "media" / "hls" / "0.ts"
    assert target.stat().st_ino == file.stat().st_ino
    file.unlink()
    assert await bucket.get("media/hls/0.ts") == b"media"
    assert [each.name for each in target.parent.iterdir()] == ["0.ts"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second disk")  # noqa: S108
async def test_a_file_of_another_disk_is_copied(bucket):
    file = Path("/dev/shm") / f"headwater-test-{os.getpid()}.ts"  # noqa: S108
    file.write_bytes(b"media")
    try:
        await bucket.put("0.ts", file)
    finally:
        file.unlink()
    assert await bucket.get("0.ts") == b"media"


async def test_a_probe_leaves_nothing(bucket, tmp_path):
    await bucket.probe()
    assert list((tmp_path / "buckets" / "vod").iterdir()) == []


async def test_a_folder_that_goes_away_is_a_refusal_not_a_new_folder(bucket, tmp_path):
    (tmp_path / "buckets" / "vod").rmdir()
    with pytest.raises(StorageError) as refused:
        await bucket.put("a", b"")
    assert refused.value.is_refused
    assert not (tmp_path / "buckets" / "vod").exists()


def test_a_bucket_that_is_not_there_cannot_be_opened(tmp_path):
    with pytest.raises(StorageError) as refused:
        Buckets(tmp_path, None).open("nothing")
    assert refused.value.is_refused


@pytest.mark.parametrize(
    ("url", "force_path_style"),
    [("http://127.0.0.1:1", True), ("https://localhost:1/", False), ("http://127.0.0.1:1", False)],
)
async def test_a_service_that_is_away_is_no_refusal_and_no_secret_is_told(
    tmp_path, url, force_path_style
):
    endpoint = S3Endpoint(
        url=url,
        region="us-east-1",
        access_key_id="AKTEST",
        secret_access_key=Secret("hush-hush"),
        force_path_style=force_path_style,
    )
    bucket = Buckets(tmp_path, endpoint).open("vod")
    with pytest.raises(StorageError) as failed:
        await bucket.put("a", b"body")
    assert not failed.value.is_refused
    assert "hush-hush" not in str(failed.value) + repr(endpoint)


async def test_readers_get_obstores_own_store(bucket):
    await bucket.put("a", b"0123456789")
    assert bytes(await obstore.get_range_async(bucket.store, "a", start=2, end=5)) == b"234"

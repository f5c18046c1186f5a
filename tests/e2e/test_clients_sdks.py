"""The 28 operations that IVS had in 2021, called by every client that must work unchanged."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from e2e.clients import CLIENTS, Refused
from e2e.harness import publishing, wait_for, wait_until_live

STORED_TO = timedelta(seconds=1)
"""Times are given in whole seconds by some operations."""
CALLS = {
    # test: the operations that it calls
    "test_channels": {"CreateChannel", "GetChannel", "BatchGetChannel", "ListChannels", "UpdateChannel", "DeleteChannel"},
    "test_stream_keys": {"ListStreamKeys", "GetStreamKey", "BatchGetStreamKey", "DeleteStreamKey", "CreateStreamKey"},
    "test_streams": {"GetStream", "ListStreams", "StopStream"},
    "test_stream_sessions": {"GetStreamSession", "ListStreamSessions"},
    "test_metadata": {"PutMetadata"},
    "test_tags": {"TagResource", "ListTagsForResource", "UntagResource"},
    "test_playback_key_pairs": {"ImportPlaybackKeyPair", "GetPlaybackKeyPair", "ListPlaybackKeyPairs", "DeletePlaybackKeyPair"},
    "test_recording_configurations": {"CreateRecordingConfiguration", "GetRecordingConfiguration", "ListRecordingConfigurations", "DeleteRecordingConfiguration"},
}  # fmt: skip


def test_all_28_are_called():
    assert sum(map(len, CALLS.values())) == 28


@pytest.fixture(scope="module", params=CLIENTS)
def client_call(request, server, tmp_path_factory):
    with CLIENTS[request.param](server, tmp_path_factory.mktemp("client")) as call:
        yield call


@pytest.fixture
def call(request, client_call):
    """The client; what the test should call is called, whatever else it asserts."""
    wanted = CALLS[request.node.originalname]
    called = set()

    def call(operation, **members):
        called.add(operation)
        return client_call(operation, **members)

    yield call
    assert wanted <= called


@pytest.fixture(scope="module")
def live(server, client, source):
    """A channel that stays live, and its ARN."""
    made = client.create_channel(insecureIngest=True)
    arn = made["channel"]["arn"]
    with publishing(source, server.ingest_url("rtmp", made["streamKey"]["value"]), loop=True):
        wait_until_live(client, arn)
        yield arn
        client.stop_stream(channelArn=arn)


def time_of(value):
    """A time as the client gives it: a datetime, or text that is one."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def refused(call, operation, **members):
    with pytest.raises(Refused) as refusal:
        call(operation, **members)
    return refusal.value


def test_channels(call):
    made = call(
        "CreateChannel", name="one", latencyMode="NORMAL", insecureIngest=True, tags={"a": "b c"}
    )
    channel, arn = made["channel"], made["channel"]["arn"]
    assert made["streamKey"]["channelArn"] == arn
    assert channel["tags"] == {"a": "b c"}
    assert (channel["insecureIngest"], channel["authorized"]) == (True, False)

    assert call("GetChannel", arn=arn)["channel"] == channel
    unknown = arn[:-3] + "zzz"
    batch = call("BatchGetChannel", arns=[arn, unknown])
    assert [found["arn"] for found in batch["channels"]] == [arn]
    assert [error["arn"] for error in batch["errors"]] == [unknown]
    assert [c["arn"] for c in call("ListChannels", filterByName="one")["channels"]] == [arn]
    updated = call("UpdateChannel", arn=arn, name="uno", insecureIngest=False)["channel"]
    assert updated == channel | {"name": "uno", "insecureIngest": False}
    invalid = refused(call, "UpdateChannel", arn=arn, name="not allowed")
    assert invalid.code == "ValidationException"
    assert "name" in invalid.message
    assert call("DeleteChannel", arn=arn) == {}
    gone = refused(call, "GetChannel", arn=arn)
    assert (gone.code, gone.message) == (
        "ResourceNotFoundException",
        f"Resource: {arn} does not exist",
    )


def test_stream_keys(call, channel):
    made, first = channel()
    arn = made["arn"]

    listed = call("ListStreamKeys", channelArn=arn)["streamKeys"]
    assert listed == [{"arn": first["arn"], "channelArn": arn, "tags": {}}]
    assert call("GetStreamKey", arn=first["arn"])["streamKey"] == first
    assert call("BatchGetStreamKey", arns=[first["arn"]])["streamKeys"] == [first]
    quota = refused(call, "CreateStreamKey", channelArn=arn)
    assert quota.code == "ServiceQuotaExceededException"
    assert quota.message
    assert call("DeleteStreamKey", arn=first["arn"]) == {}
    second = call("CreateStreamKey", channelArn=arn, tags={"turn": "2"})["streamKey"]
    assert second["value"] != first["value"]
    assert second["tags"] == {"turn": "2"}


def test_streams(call, server, client, channel, source):
    made, key = channel(insecureIngest=True)
    arn = made["arn"]
    offline = refused(call, "GetStream", channelArn=arn)
    assert (offline.code, bool(offline.message)) == ("ChannelNotBroadcasting", True)

    began = datetime.now(UTC) - STORED_TO
    with publishing(source, server.ingest_url("rtmp", key["value"]), loop=True):
        wait_until_live(client, arn)
        stream = call("GetStream", channelArn=arn)["stream"]
        assert (stream["state"], stream["health"]) == ("LIVE", "HEALTHY")
        assert stream["playbackUrl"] == made["playbackUrl"]
        assert began <= time_of(stream["startTime"]) <= datetime.now(UTC)
        listed = call("ListStreams", filterBy={"health": "HEALTHY"})["streams"]
        assert stream["streamId"] in {each["streamId"] for each in listed}
        assert call("StopStream", channelArn=arn) == {}
    assert refused(call, "StopStream", channelArn=arn).code == "ChannelNotBroadcasting"


def test_stream_sessions(call, client, live):
    stream_id = client.get_stream(channelArn=live)["stream"]["streamId"]

    listed = call("ListStreamSessions", channelArn=live)["streamSessions"]
    assert [each["streamId"] for each in listed] == [stream_id]
    session = call("GetStreamSession", channelArn=live)["streamSession"]
    assert session["streamId"] == stream_id
    assert session["channel"]["arn"] == live
    assert not session.get("endTime")
    assert (
        call("GetStreamSession", channelArn=live, streamId=stream_id)["streamSession"]["streamId"]
        == stream_id
    )


def test_metadata(call, channel, live):
    assert call("PutMetadata", channelArn=live, metadata='{"question": "who \\u00fc?"}') == {}

    idle, _ = channel()
    offline = refused(call, "PutMetadata", channelArn=idle["arn"], metadata="x")
    assert offline.code == "ChannelNotBroadcasting"


def test_tags(call, channel):
    arn = channel(tags={"stay": "1", "go": "2"})[0]["arn"]

    assert call("UntagResource", resourceArn=arn, tagKeys=["go", "never there"]) == {}
    assert call("TagResource", resourceArn=arn, tags={"stay": "3", "new::key": "a/b c"}) == {}
    assert call("ListTagsForResource", resourceArn=arn)["tags"] == {
        "stay": "3",
        "new::key": "a/b c",
    }
    unknown = refused(call, "ListTagsForResource", resourceArn=arn[:-3] + "zzz")
    assert unknown.code == "ResourceNotFoundException"


def fingerprint(pem):
    """The MD5 of the key's DER bytes, as Terraform computes it."""
    public = load_pem_public_key(pem.encode())
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.md5(der, usedforsecurity=False).digest().hex(":")


def test_playback_key_pairs(call, public_key_pem):
    pem = public_key_pem
    pair = call("ImportPlaybackKeyPair", publicKeyMaterial=pem, name="viewers", tags={})["keyPair"]
    assert pair["fingerprint"] == fingerprint(pem)
    assert call("GetPlaybackKeyPair", arn=pair["arn"])["keyPair"] == pair
    assert pair["arn"] in {each["arn"] for each in call("ListPlaybackKeyPairs")["keyPairs"]}
    assert refused(call, "ImportPlaybackKeyPair", publicKeyMaterial=pem).code == "ConflictException"
    assert call("DeletePlaybackKeyPair", arn=pair["arn"]) == {}
    assert refused(call, "GetPlaybackKeyPair", arn=pair["arn"]).code == "ResourceNotFoundException"


def test_recording_configurations(call):
    wishes = {
        "destinationConfiguration": {"s3": {"bucketName": "my-recordings"}},
        "thumbnailConfiguration": {"recordingMode": "INTERVAL", "targetIntervalSeconds": 30},
        "recordingReconnectWindowSeconds": 45,
    }
    made = call("CreateRecordingConfiguration", name="archive", **wishes)["recordingConfiguration"]
    arn = made["arn"]
    assert made["destinationConfiguration"] == wishes["destinationConfiguration"]

    def active():
        found = call("GetRecordingConfiguration", arn=arn)["recordingConfiguration"]
        return found if found["state"] == "ACTIVE" else None

    ready = wait_for(active, 25, "the recording configuration to be active")
    assert ready["recordingReconnectWindowSeconds"] == 45
    listed = call("ListRecordingConfigurations")["recordingConfigurations"]
    assert arn in {each["arn"] for each in listed}
    assert call("DeleteRecordingConfiguration", arn=arn) == {}
    assert refused(call, "GetRecordingConfiguration", arn=arn).code == "ResourceNotFoundException"

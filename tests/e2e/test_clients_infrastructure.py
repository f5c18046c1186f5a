"""What Terraform's and CloudFormation's handlers rely on, call by call, with boto3.

The real provider is in test_clients_terraform, where the machine has it.
"""

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from e2e.harness import wait_for

CHANNEL_READS = (
    "arn",
    "authorized",
    "ingestEndpoint",
    "latencyMode",
    "name",
    "playbackUrl",
    "recordingConfigurationArn",
    "type",
)
RECORDING = {
    "name": "archive",
    "destinationConfiguration": {"s3": {"bucketName": "a-bucket-that-is-not-there"}},
    "thumbnailConfiguration": {"recordingMode": "INTERVAL", "targetIntervalSeconds": 5},
    "recordingReconnectWindowSeconds": 45,
}


@pytest.fixture
def recording(client):
    """Makes recording configurations; those left are deleted at the end."""
    made = []

    def create(**wishes):
        answer = client.create_recording_configuration(**RECORDING, **wishes)
        made.append(answer["recordingConfiguration"]["arn"])
        return answer["recordingConfiguration"]

    yield create
    for arn in made:
        try:
            client.delete_recording_configuration(arn=arn)
        except client.exceptions.ResourceNotFoundException:
            continue


@pytest.fixture
def key_pair(client, public_key_pem):
    made = client.import_playback_key_pair(publicKeyMaterial=public_key_pem, name="viewers")
    yield made["keyPair"]
    try:
        client.delete_playback_key_pair(arn=made["keyPair"]["arn"])
    except client.exceptions.ResourceNotFoundException:
        return


def is_gone(client, get, arn):
    """A delete waiter's question; any other error would end it."""
    try:
        get(arn=arn)
    except client.exceptions.ResourceNotFoundException:
        return True
    return False


# --- Terraform ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        "list_channels",
        "list_recording_configurations",
        "list_playback_key_pairs",
    ],
)
def test_the_checks_before_a_run_list_without_arguments(client, operation):
    assert getattr(client, operation)()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_channel_without_arguments_reads_the_same_from_the_first_time_on(client, channel):
    made, _ = channel()

    reads = [client.get_channel(arn=made["arn"])["channel"] for _ in range(3)]
    assert reads == [made, made, made]
    assert all(made[name] is not None for name in CHANNEL_READS)


def test_an_update_sends_what_changed_and_is_seen_at_once_under_the_same_arn(client, channel):
    made, _ = channel(name="first")
    wishes = {"name": "second", "authorized": True, "latencyMode": "NORMAL", "type": "BASIC"}

    client.update_channel(arn=made["arn"], **wishes)

    assert client.get_channel(arn=made["arn"])["channel"] == made | wishes
    client.update_channel(arn=made["arn"], name="third")
    assert client.get_channel(arn=made["arn"])["channel"] == made | wishes | {"name": "third"}


def test_a_deleted_channel_is_not_found_and_deleting_it_again_says_the_same(client, channel):
    made, _ = channel()
    client.delete_channel(arn=made["arn"])

    assert is_gone(client, client.get_channel, made["arn"])
    assert is_gone(client, client.delete_channel, made["arn"])


def test_the_stream_key_data_source_lists_one_and_reads_it(client, channel):
    made, key = channel()

    listed = client.list_stream_keys(channelArn=made["arn"])["streamKeys"]
    assert [each["arn"] for each in listed] == [key["arn"]]
    read = client.get_stream_key(arn=listed[0]["arn"])["streamKey"]
    assert read == key
    assert set(read) >= {"arn", "channelArn", "value", "tags"}
    client.delete_stream_key(arn=key["arn"])
    assert client.list_stream_keys(channelArn=made["arn"])["streamKeys"] == []


def test_tags_are_untagged_first_then_tagged(client, channel):
    made, _ = channel(tags={"key1": "value1", "key2": "value2"})
    arn = made["arn"]

    client.untag_resource(resourceArn=arn, tagKeys=["key1"])
    client.tag_resource(resourceArn=arn, tags={"key2": "value2updated", "key3": ""})

    expected = {"key2": "value2updated", "key3": ""}
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == expected
    assert client.get_channel(arn=arn)["channel"]["tags"] == expected


def test_a_recording_configuration_goes_from_creating_to_active_and_then_is_gone(client, recording):
    made = recording()
    arn, seen = made["arn"], [made["state"]]

    def active():
        found = client.get_recording_configuration(arn=arn)["recordingConfiguration"]
        seen.append(found["state"])
        return found if found["state"] == "ACTIVE" else None

    ready = wait_for(active, 25, "the recording configuration to be active")
    assert set(seen) == {"CREATING", "ACTIVE"}
    assert seen == sorted(seen, reverse=True)
    assert ready["destinationConfiguration"] == RECORDING["destinationConfiguration"]
    assert ready["recordingReconnectWindowSeconds"] == 45
    asked = RECORDING["thumbnailConfiguration"]
    assert {name: ready["thumbnailConfiguration"][name] for name in asked} == asked
    again = client.get_recording_configuration(arn=arn)["recordingConfiguration"]
    assert again == ready
    client.delete_recording_configuration(arn=arn)
    assert is_gone(client, client.get_recording_configuration, arn)
    assert is_gone(client, client.delete_recording_configuration, arn)


def test_a_recording_configuration_in_use_is_let_go_before_it_is_deleted(
    client, channel, recording
):
    arn = recording()["arn"]
    made, _ = channel(recordingConfigurationArn=arn)

    with pytest.raises(client.exceptions.ConflictException):
        client.delete_recording_configuration(arn=arn)
    client.update_channel(arn=made["arn"], recordingConfigurationArn="")
    client.delete_recording_configuration(arn=arn)
    assert is_gone(client, client.get_recording_configuration, arn)


def test_a_playback_key_pair_is_known_by_its_fingerprint_and_imported_once(
    client, key_pair, public_key_pem
):
    der = load_pem_public_key(public_key_pem.encode()).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.md5(der, usedforsecurity=False).digest().hex(":")

    read = client.get_playback_key_pair(arn=key_pair["arn"])["keyPair"]
    assert (read["name"], read["fingerprint"]) == ("viewers", digest)
    assert set(read) == {"arn", "name", "fingerprint", "tags"}
    with pytest.raises(client.exceptions.ConflictException):
        client.import_playback_key_pair(publicKeyMaterial=public_key_pem)
    client.delete_playback_key_pair(arn=key_pair["arn"])
    assert is_gone(client, client.get_playback_key_pair, key_pair["arn"])
    assert is_gone(client, client.delete_playback_key_pair, key_pair["arn"])


# --- CloudFormation -------------------------------------------------------------------------------


def test_every_property_of_a_channel_changes_without_replacement(client, channel):
    made, _ = channel(name="-")  # CloudFormation's default
    multitrack = {"enabled": True, "policy": "ALLOW", "maximumResolution": "HD"}
    steps = [
        {"name": "Show"},
        {"authorized": True},
        {"insecureIngest": True},
        {"latencyMode": "NORMAL"},
        {"containerFormat": "FRAGMENTED_MP4"},
        {"containerFormat": "FRAGMENTED_MP4", "multitrackInputConfiguration": multitrack},
        {"multitrackInputConfiguration": {"enabled": False}},
        {"type": "ADVANCED_HD", "preset": "CONSTRAINED_BANDWIDTH_DELIVERY"},
    ]
    assert made["name"] == "-"

    for wishes in steps:
        client.update_channel(arn=made["arn"], **wishes)
        now = client.get_channel(arn=made["arn"])["channel"]
        for name, value in wishes.items():
            assert (
                now[name] == value
                if not isinstance(value, dict)
                else value.items() <= now[name].items()
            )

    assert (now["playbackUrl"], now["ingestEndpoint"]) == (
        made["playbackUrl"],
        made["ingestEndpoint"],
    )


def test_a_channels_recording_configuration_changes_without_replacement(client, channel, recording):
    made, _ = channel()
    arn = recording()["arn"]

    client.update_channel(arn=made["arn"], recordingConfigurationArn=arn)
    assert client.get_channel(arn=made["arn"])["channel"]["recordingConfigurationArn"] == arn
    listed = client.list_channels(filterByRecordingConfigurationArn=arn)["channels"]
    assert [each["arn"] for each in listed] == [made["arn"]]
    client.update_channel(arn=made["arn"], recordingConfigurationArn="")
    assert client.get_channel(arn=made["arn"])["channel"]["recordingConfigurationArn"] == ""


def test_a_channel_is_left_without_a_key_which_is_a_resource_of_its_own(client, channel):
    made, first = channel()
    client.delete_stream_key(arn=first["arn"])

    own = client.create_stream_key(channelArn=made["arn"], tags={"own": "1"})["streamKey"]
    with pytest.raises(client.exceptions.ServiceQuotaExceededException):
        client.create_stream_key(channelArn=made["arn"])
    client.delete_stream_key(arn=own["arn"])  # replaced: deleted, then created
    assert is_gone(client, client.get_stream_key, own["arn"])
    replaced = client.create_stream_key(channelArn=made["arn"])["streamKey"]
    assert replaced["value"] not in {first["value"], own["value"]}


def test_a_key_pairs_tags_change(client, key_pair):
    client.tag_resource(resourceArn=key_pair["arn"], tags={"team": "sport"})

    assert client.list_tags_for_resource(resourceArn=key_pair["arn"])["tags"] == {"team": "sport"}
    assert client.get_playback_key_pair(arn=key_pair["arn"])["keyPair"]["tags"] == {"team": "sport"}


def test_every_property_of_a_restriction_policy_changes_without_replacement(client):
    made = client.create_playback_restriction_policy(allowedCountries=[], allowedOrigins=[])
    arn = made["playbackRestrictionPolicy"]["arn"]
    wishes = {
        "name": "europe",
        "allowedCountries": ["DE", "FR"],
        "allowedOrigins": ["https://*.example.com"],
        "enableStrictOriginEnforcement": True,
    }

    client.update_playback_restriction_policy(arn=arn, **wishes)

    now = client.get_playback_restriction_policy(arn=arn)["playbackRestrictionPolicy"]
    assert {name: now[name] for name in wishes} == wishes
    client.delete_playback_restriction_policy(arn=arn)
    assert is_gone(client, client.get_playback_restriction_policy, arn)

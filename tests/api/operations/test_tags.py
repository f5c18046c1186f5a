"""Tags on every type of resource, by a botocore client and by raw requests."""

import json
from urllib.parse import quote

import pytest

from api.inputs import MEDIA_TAILOR, public_key
from headwater.store.records import Scope

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
FIFTY = {f"key{number}": "" for number in range(50)}
SCOPE = Scope("123456789012", "eu-west-1")


def channel(ivs, **arguments):
    return ivs.create_channel(**arguments)["channel"]


def stream_key(ivs, **arguments):
    created = ivs.create_channel()
    ivs.delete_stream_key(arn=created["streamKey"]["arn"])
    return ivs.create_stream_key(channelArn=created["channel"]["arn"], **arguments)["streamKey"]


def playback_key_pair(ivs, **arguments):
    return ivs.import_playback_key_pair(publicKeyMaterial=public_key(), **arguments)["keyPair"]


def recording_configuration(ivs, **arguments):
    return ivs.create_recording_configuration(
        destinationConfiguration={"s3": {"bucketName": "bucket"}}, **arguments
    )["recordingConfiguration"]


def playback_restriction_policy(ivs, **arguments):
    return ivs.create_playback_restriction_policy(**arguments)["playbackRestrictionPolicy"]


def ad_configuration(ivs, **arguments):
    return ivs.create_ad_configuration(
        mediaTailorPlaybackConfigurations=[{"playbackConfigurationArn": MEDIA_TAILOR}], **arguments
    )["adConfiguration"]


def failover_slate_configuration(ivs, **arguments):
    return ivs.create_failover_slate_configuration(**arguments)["failoverSlateConfiguration"]


TYPES = [
    channel, stream_key, playback_key_pair, recording_configuration, playback_restriction_policy,
    ad_configuration, failover_slate_configuration,
]  # fmt: skip


@pytest.fixture
def arn(ivs):
    return channel(ivs)["arn"]


def tags_of(ivs, arn):
    return ivs.list_tags_for_resource(resourceArn=arn)["tags"]


def refused(client, code, says, call, /, **arguments):
    with pytest.raises(getattr(client.exceptions, code), match=says):
        call(**arguments)


@pytest.mark.parametrize("create", TYPES, ids=lambda create: create.__name__)
def test_every_type_has_tags_from_its_creation_to_its_end(ivs, service, create):
    made = create(ivs, tags={"team": "a", "stage": "test"})
    arn = made["arn"]
    assert made["tags"] == tags_of(ivs, arn) == {"team": "a", "stage": "test"}

    ivs.tag_resource(resourceArn=arn, tags={"team": "b", "é x": ""})
    assert (service.responses[-1].status, service.responses[-1].body) == (200, b"{}")
    assert tags_of(ivs, arn) == {"team": "b", "stage": "test", "é x": ""}

    ivs.untag_resource(resourceArn=arn, tagKeys=["stage", "é x", "never there"])
    assert (service.responses[-1].status, service.responses[-1].body) == (200, b"{}")
    assert tags_of(ivs, arn) == {"team": "b"}


@pytest.mark.parametrize("create", TYPES, ids=lambda create: create.__name__)
def test_every_type_is_made_without_tags_and_never_with_those_of_aws(ivs, create):
    assert tags_of(ivs, create(ivs)["arn"]) == {}
    refused(ivs, "ValidationException", r"\.tags must not have keys that start with", create,
            ivs=ivs, tags={"aws:a": ""})  # fmt: skip


def test_the_get_and_the_list_of_a_resource_show_its_tags(ivs, arn):
    ivs.tag_resource(resourceArn=arn, tags={"a": "b"})

    assert ivs.get_channel(arn=arn)["channel"]["tags"] == {"a": "b"}
    assert ivs.list_channels()["channels"][0]["tags"] == {"a": "b"}


def test_nothing_but_the_tags_changes(ivs, service):
    created = ivs.create_channel(name="a", authorized=True)
    key = created["streamKey"]

    for one in (created["channel"]["arn"], key["arn"]):
        ivs.tag_resource(resourceArn=one, tags={"a": "b"})

    assert ivs.get_channel(arn=created["channel"]["arn"])["channel"] == created["channel"] | {
        "tags": {"a": "b"}
    }
    assert ivs.get_stream_key(arn=key["arn"])["streamKey"] == key | {"tags": {"a": "b"}}

    async def found():
        async with service.store.read() as work:
            return await work.resource(SCOPE, key["arn"])

    assert service.runner.run(found()).value.reveal() == key["value"]


def test_a_channels_tags_are_not_its_keys(ivs):
    created = ivs.create_channel(tags={"a": "b"})

    assert tags_of(ivs, created["streamKey"]["arn"]) == {}


def test_a_channel_is_tagged_while_live(ivs, service, arn):
    service.live.connected.add(arn)

    ivs.tag_resource(resourceArn=arn, tags={"a": "b"})

    assert tags_of(ivs, arn) == {"a": "b"}


def test_fifty_tags_are_counted_after_the_merge(ivs, arn):
    ivs.tag_resource(resourceArn=arn, tags=FIFTY)
    ivs.tag_resource(resourceArn=arn, tags=dict.fromkeys(FIFTY, "again"))

    says = r"TagResource\.tags: a resource has at most 50 tags; this one would have 51"
    refused(
        ivs, "ValidationException", says, ivs.tag_resource, resourceArn=arn, tags={"one more": ""}
    )
    assert tags_of(ivs, arn) == dict.fromkeys(FIFTY, "again")
    ivs.untag_resource(resourceArn=arn, tagKeys=list(FIFTY))
    assert tags_of(ivs, arn) == {}


def test_keys_differ_by_case_and_may_hold_every_sign_that_is_allowed(ivs, arn):
    tags = {"Team": "1", "team": "2", "alchemy::id": "_.:/=+-@", "a b": " ", "x" * 128: "y" * 256}

    ivs.tag_resource(resourceArn=arn, tags=tags)
    assert tags_of(ivs, arn) == tags
    ivs.untag_resource(resourceArn=arn, tagKeys=["Team", "alchemy::id", "a b", "x" * 128])
    assert tags_of(ivs, arn) == {"team": "2"}


def test_removing_is_idempotent_and_no_key_is_fine(ivs, arn):
    ivs.tag_resource(resourceArn=arn, tags={"a": "b"})

    for keys in (["never there"], [], ["a"], ["a"], ["a", "a"]):
        ivs.untag_resource(resourceArn=arn, tagKeys=keys)

    assert tags_of(ivs, arn) == {}


@pytest.mark.parametrize("key", ["aws:a", "AWS:a"])
def test_tags_of_aws_are_reserved(ivs, arn, key):
    refused(ivs, "ValidationException", r"TagResource\.tags must not have keys", ivs.tag_resource,
            resourceArn=arn, tags={key: ""})  # fmt: skip


CALLS = [
    ("tag_resource", {"tags": {"a": "b"}}),
    ("untag_resource", {"tagKeys": ["a"]}),
    ("list_tags_for_resource", {}),
]
NOT_FOUND = [
    NOBODY,
    "arn:aws:ivs:eu-west-1:123456789012:banana/abcdABCDefgh",
    "arn:aws:ivs:eu-west-1:210987654321:channel/abcdABCDefgh",
    "arn:aws:ivs:us-east-1:123456789012:channel/abcdABCDefgh",
]
NO_ARN = [
    "nope", "arn", "arn:aws:s3:::bucket", "arn:aws-cn:ivs:eu-west-1:1:channel/a",
    "arn:aws:ivs:eu-west-1:123456789012:channel", "arn:aws:ivs:eu-west-1:123456789012:channel/",
    "arn:aws:ivs:eu-west-1:123456789012:channel/a/b", "arn:aws:ivs:eu-west-1::channel/a",
    NOBODY + " ", NOBODY + "\n", "/" + NOBODY, NOBODY.replace("/", "%2F"), "é", "a" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("row", CALLS, ids=[row[0] for row in CALLS])
@pytest.mark.parametrize("arn", NOT_FOUND)
def test_what_does_not_exist_is_not_found(ivs, row, arn):
    name, arguments = row
    says = f"Resource: {arn} does not exist"
    refused(ivs, "ResourceNotFoundException", says, getattr(ivs, name), resourceArn=arn,
            **arguments)  # fmt: skip


@pytest.mark.parametrize("row", CALLS, ids=[row[0] for row in CALLS])
@pytest.mark.parametrize("arn", NO_ARN)
def test_what_is_no_arn_of_this_service_is_refused(ivs, row, arn):
    name, arguments = row
    says = r"\.resourceArn must be a string of 1 to 128 characters matching arn:aws:ivs:"
    refused(ivs, "ValidationException", says, getattr(ivs, name), resourceArn=arn, **arguments)


def test_what_others_have_is_not_found(ivs, service, arn):
    ivs.tag_resource(resourceArn=arn, tags={"a": "b"})

    for other in (
        service.client(region="us-east-1"),
        service.client(access_key="AKHWOTHERKEY0002"),
    ):
        for name, arguments in CALLS:
            refused(other, "ResourceNotFoundException", arn, getattr(other, name),
                    resourceArn=arn, **arguments)  # fmt: skip
    assert tags_of(ivs, arn) == {"a": "b"}


def error_of(response):
    return response.status, json.loads(response.body)["__type"]


def test_the_arn_is_one_encoded_segment_of_the_path(service, arn):
    encoded = quote(arn, safe="")

    assert service.send("GET", f"/tags/{encoded}").status == 200
    # SDKs encode all of it; what is written another way is not what was signed.
    for path in (arn, quote(arn, safe=":"), quote(arn, safe="/")):
        refusal = service.send("GET", f"/tags/{path}")
        assert error_of(refusal) == (403, "InvalidSignatureException")
    # Encoded twice it is the name of something else, and no ARN.
    for path in (quote(encoded, safe=""), "", f"{encoded}%2F", f"%2F{encoded}"):
        assert error_of(service.send("GET", f"/tags/{path}")) == (400, "ValidationException")


def test_a_resource_arn_in_the_body_does_not_count(ivs, service, arn):
    other = channel(ivs)["arn"]
    body = json.dumps({"resourceArn": other, "tags": {"a": "b"}}).encode()

    service.send("POST", f"/tags/{quote(arn, safe='')}", body=body)

    assert (tags_of(ivs, arn), tags_of(ivs, other)) == ({"a": "b"}, {})


def test_keys_stand_in_the_query_each_by_itself(ivs, service, arn):
    ivs.tag_resource(resourceArn=arn, tags=dict.fromkeys(["a b", "c+d", "e/f", "g"], ""))
    path = f"/tags/{quote(arn, safe='')}"

    for query in ("tagKeys=a%20b&tagKeys=c%2Bd", "TagKeys=g&other=g&tagKeys=e%2Ff"):
        assert service.send("DELETE", path, query=query).status == 200

    assert tags_of(ivs, arn) == {"g": ""}


def test_too_many_keys_at_once_are_refused(ivs, arn):
    says = r"UntagResource\.tagKeys must be a list of 0 to 50 items"
    refused(ivs, "ValidationException", says, ivs.untag_resource, resourceArn=arn,
            tagKeys=[str(number) for number in range(51)])  # fmt: skip

"""What users may do, through the API: resources, tags and everything else known of a call."""

import pytest
from msgspec import UNSET

from api.people import ACCOUNT, add_temporary_key, add_user, client_of, statement, user_client
from headwater.api.authentication import Caller
from headwater.api.authorization import MAX_TEXT_LENGTH, facts_of_arguments, facts_of_request
from headwater.auth.principal import Principal, root
from headwater.core.http import Request
from headwater.shapes.channels import CreateChannelRequest, GetChannelRequest
from headwater.store.records import Scope

REGION = "eu-west-1"
ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"


def arn(kind, id_="*"):
    return f"arn:aws:ivs:{REGION}:{ACCOUNT}:{kind}/{id_}"


def denied(client, call, **arguments):
    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        getattr(client, call)(**arguments)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    return error["Error"]["Message"]


def test_a_reader_reads_and_is_told_what_else_is_denied(service, ivs):
    made = ivs.create_channel(name="a")
    channel, key = made["channel"]["arn"], made["streamKey"]["arn"]
    ana = user_client(service, "ana", "IVSReadOnlyAccess")

    assert ana.get_channel(arn=channel)["channel"]["name"] == "a"
    assert len(ana.list_stream_keys(channelArn=channel)["streamKeys"]) == 1
    assert denied(ana, "create_channel") == (
        f"User: {ANA} is not authorized to perform: ivs:CreateChannel on resource: {arn('channel')}"
    )
    assert denied(ana, "get_stream_key", arn=key) == (
        f"User: {ANA} is not authorized to perform: ivs:GetStreamKey on resource: {key}"
    )
    assert denied(ana, "delete_channel", arn=channel).endswith(f"on resource: {channel}")
    assert ivs.get_channel(arn=channel)["channel"]["arn"] == channel


def test_full_access_is_full_access(service):
    ana = user_client(service, "ana", "IVSFullAccess")
    channel = ana.create_channel(tags={"a": "b"})["channel"]["arn"]

    ana.update_channel(arn=channel, name="x")
    ana.delete_channel(arn=channel)


def test_a_denial_says_nothing_of_whether_the_resource_exists(service, ivs):
    there = ivs.create_channel()["channel"]["arn"]
    ana = user_client(service, "ana")

    for channel in (there, arn("channel", "nowhere00000")):
        assert denied(ana, "get_channel", arn=channel).endswith(f"on resource: {channel}")


def test_what_is_allowed_and_does_not_exist_is_not_found(service):
    ana = user_client(service, "ana", "IVSReadOnlyAccess")

    with pytest.raises(ana.exceptions.ResourceNotFoundException):
        ana.get_channel(arn=arn("channel", "nowhere00000"))


def test_a_create_needs_both_of_what_it_makes(service):
    half = user_client(service, "half", statement("ivs:CreateChannel", arn("channel")))
    both = user_client(
        service, "both", statement("ivs:CreateChannel", [arn("channel"), arn("stream-key")])
    )

    assert denied(half, "create_channel").endswith(f"on resource: {arn('stream-key')}")
    assert both.create_channel()["channel"]["arn"]


def test_a_create_with_tags_needs_tagging_too(service):
    ana = user_client(service, "ana", statement("ivs:CreateChannel"))

    assert ana.create_channel(tags={})["channel"]["tags"] == {}
    assert denied(ana, "create_channel", tags={"a": "b"}) == (
        f"User: {ANA} is not authorized to perform: ivs:TagResource on resource: {arn('channel')}"
    )
    bob = user_client(
        service,
        "bob",
        statement("ivs:CreateChannel"),
        statement("ivs:TagResource", arn("channel")),
    )
    assert bob.create_channel(tags={"a": "b"})["channel"]["tags"] == {"a": "b"}


def test_tags_of_the_request_decide(service):
    ana = user_client(
        service,
        "ana",
        statement(
            ["ivs:CreateChannel", "ivs:TagResource"],
            Condition={
                "StringEquals": {"aws:RequestTag/team": ["live", "test"]},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]},
            },
        ),
    )

    assert ana.create_channel(tags={"team": "live", "cost": "1"})
    denied(ana, "create_channel")
    denied(ana, "create_channel", tags={"team": "other"})
    denied(ana, "create_channel", tags={"team": "live", "more": "1"})


def test_tags_of_the_resource_decide(service, ivs):
    live = ivs.create_channel(tags={"Team": "live"})["channel"]["arn"]
    other = ivs.create_channel(tags={"Team": "other"})["channel"]["arn"]
    ana = user_client(
        service,
        "ana",
        statement("ivs:*", Condition={"StringEquals": {"aws:ResourceTag/team": "live"}}),
    )

    assert ana.get_channel(arn=live)
    denied(ana, "get_channel", arn=other)
    denied(ana, "get_channel", arn=arn("channel", "nowhere00000"))
    denied(ana, "list_channels")  # a list has no tags
    ivs.tag_resource(resourceArn=other, tags={"Team": "live"})
    assert ana.get_channel(arn=other)


def test_a_tag_operation_is_decided_on_the_resource_it_names(service, ivs):
    channel = ivs.create_channel(tags={"a": "1", "b": "2"})["channel"]["arn"]
    ana = user_client(
        service,
        "ana",
        statement(
            ["ivs:UnTagResource"],
            channel,
            Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}},
        ),
        statement("ivs:ListTagsForResource", channel),
    )

    denied(ana, "untag_resource", resourceArn=channel, tagKeys=["a", "b"])
    ana.untag_resource(resourceArn=channel, tagKeys=["a"])
    assert ana.list_tags_for_resource(resourceArn=channel)["tags"] == {"b": "2"}
    assert denied(ana, "tag_resource", resourceArn=channel, tags={"c": "3"}).endswith(channel)


def test_items_of_a_batch_are_decided_one_by_one(service, ivs):
    mine = ivs.create_channel(tags={"owner": "ana"})["channel"]["arn"]
    others = ivs.create_channel()["channel"]["arn"]
    nowhere = arn("channel", "nowhere00000")
    ana = user_client(
        service,
        "ana",
        statement(
            "ivs:BatchGetChannel",
            Condition={"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}},
        ),
    )

    answer = ana.batch_get_channel(arns=[others, mine, nowhere])
    assert [one["arn"] for one in answer["channels"]] == [mine]
    assert answer["errors"] == [
        {"arn": others, "code": "403", "message": "not authorized"},
        {"arn": nowhere, "code": "403", "message": "not authorized"},
    ]


def test_stream_keys_of_a_batch_too(service, ivs):
    key = ivs.create_channel()["streamKey"]["arn"]
    reader = user_client(service, "ana", "IVSReadOnlyAccess")

    answer = reader.batch_get_stream_key(arns=[key])
    assert answer["streamKeys"] == []
    assert [one["code"] for one in answer["errors"]] == ["403"]


def test_an_explicit_deny_wins(service, ivs):
    channel = ivs.create_channel()["channel"]["arn"]
    ana = user_client(
        service, "ana", statement("*"), statement("ivs:DeleteChannel", channel, effect="Deny")
    )

    assert ana.get_channel(arn=channel)
    denied(ana, "delete_channel", arn=channel)


GLOBAL = [
    # id, condition that holds for the test's calls
    ("address",       {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
    ("region",        {"StringEquals": {"aws:RequestedRegion": REGION}}),
    ("not TLS",       {"Bool": {"aws:SecureTransport": "false"}}),
    ("account",       {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
    ("same account",  {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}),
    ("principal",     {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}}),
    ("name",          {"StringEquals": {"aws:username": "ana"}}),
    ("id",            {"StringLike": {"aws:userid": "AIHW*"}}),
    ("type",          {"StringEquals": {"aws:PrincipalType": "User"}}),
    ("agent",         {"StringLike": {"aws:UserAgent": "*Botocore*"}}),
    ("date",          {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
    ("epoch",         {"NumericGreaterThan": {"aws:EpochTime": "1600000000"}}),
    ("lasting key",   {"Null": {"aws:TokenIssueTime": "true"}}),
    ("no service",    {"Bool": {"aws:ViaAWSService": "false"}}),
]  # fmt: skip


@pytest.mark.parametrize("condition", [row[1] for row in GLOBAL], ids=[row[0] for row in GLOBAL])
def test_what_is_known_of_the_request_decides(service, condition):
    ana = user_client(service, "ana", statement("*", Condition=condition))
    bob = user_client(
        service, "bob", statement("*"), statement("*", effect="Deny", Condition=condition)
    )

    assert ana.list_channels()["channels"] == []
    if "ana" not in str(condition) and "user/a" not in str(condition):
        denied(bob, "list_channels")


def test_a_temporary_key_says_when_it_was_made(service):
    user = service.runner.run(
        add_user(
            service.store,
            "ana",
            statement("*", Condition={"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01"}}),
        )
    )
    key = service.runner.run(add_temporary_key(service.store, user.id))

    assert client_of(service, *key).list_channels()["channels"] == []


def caller(principal):
    return Caller(
        principal=principal,
        scope=Scope(ACCOUNT, REGION),
        key_id="",
        key_created_at_ms=0,
        temporary=False,
    )


ADDRESSES = [
    ("192.0.2.1", "192.0.2.1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("", ""),
]


@pytest.mark.parametrize(("client", "address"), ADDRESSES)
def test_addresses_are_compared_in_their_own_form(client, address):
    request = Request(method="POST", path="/", query="", headers=[], client_address=client)

    assert facts_of_request(caller(root(ACCOUNT)), request, 0)["aws:sourceip"] == [address]


def test_what_is_not_known_has_no_key():
    request = Request(method="POST", path="/", query="", headers=[], scheme="https")
    facts = facts_of_request(caller(root(ACCOUNT)), request, 1_893_456_000_000)

    assert not {"aws:username", "aws:useragent", "aws:referer", "aws:tokenissuetime"} & set(facts)
    assert facts["aws:securetransport"] == ["true"]
    assert facts["aws:principaltype"] == ["Account"]
    assert facts["aws:currenttime"] == ["2030-01-01T00:00:00Z"]


def test_a_long_header_is_cut_before_patterns_see_it():
    ana = Principal(account=ACCOUNT, user_id="AIHW", name="ana", policies=())
    headers = [("user-agent", "a" * 10_000), ("referer", "b" * 10_000)]
    request = Request(method="POST", path="/", query="", headers=headers)
    facts = facts_of_request(caller(ana), request, 0)

    assert facts["aws:useragent"] == ["a" * MAX_TEXT_LENGTH]
    assert facts["aws:referer"] == ["b" * MAX_TEXT_LENGTH]


def test_tags_of_a_request_are_keys_without_case():
    made = facts_of_arguments(CreateChannelRequest(tags={"Team": "a", "team": "b"}))

    assert made == {"aws:requesttag/team": ["a", "b"], "aws:tagkeys": ["Team", "team"]}
    assert facts_of_arguments(CreateChannelRequest(tags={})) == {}
    assert facts_of_arguments(GetChannelRequest(arn=arn("channel", "abcdABCDefgh"))) == {}
    assert UNSET not in made

import re

import pytest

from headwater.api.operation import LiveStream

ARN = re.compile(r"arn:aws:ivs:eu-west-1:123456789012:channel/[a-zA-Z0-9]{12}")
NOBODY = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
MULTITRACK = {"enabled": True, "policy": "REQUIRE", "maximumResolution": "HD"}
ATTACHMENTS = {
    "recordingConfigurationArn": "recording-configuration",
    "playbackRestrictionPolicyArn": "playback-restriction-policy",
    "adConfigurationArn": "ad-configuration",
    "failoverSlateConfigurationArn": "failover-slate-configuration",
}


def arn_of(kind):
    return f"arn:aws:ivs:eu-west-1:123456789012:{kind}/abcdABCDefgh"


def go_live(service, arn):
    service.live.connected.add(arn)
    service.live.streams.append(
        LiveStream(
            channel_arn=arn,
            stream_id="st-" + "a" * 23,
            started_at_ms=0,
            health="HEALTHY",
            viewer_count=0,
        )
    )


def refused(client, code, says, call, **arguments):
    with pytest.raises(getattr(client.exceptions, code), match=says):
        call(**arguments)


def test_create_without_arguments_gives_awss_defaults_and_a_key(ivs):
    answer = ivs.create_channel()

    channel, key = answer["channel"], answer["streamKey"]
    id_ = channel["arn"].rpartition("/")[2]
    prefix = channel["ingestEndpoint"].removesuffix(".ingest.example.net")
    passphrase = channel["srt"].pop("passphrase")
    assert ARN.fullmatch(channel["arn"])
    assert re.fullmatch("[0-9a-f]{12}", prefix)
    assert re.fullmatch("[a-zA-Z0-9]{69}", passphrase)
    assert channel == {
        "arn": channel["arn"],
        "name": "",
        "latencyMode": "LOW",
        "type": "STANDARD",
        "recordingConfigurationArn": "",
        "ingestEndpoint": f"{prefix}.ingest.example.net",
        "playbackUrl": (
            f"https://{prefix}.eu-west-1.play.example.net"
            f"/api/video/v1/eu-west-1.123456789012.channel.{id_}.m3u8"
        ),
        "authorized": False,
        "tags": {},
        "insecureIngest": False,
        "preset": "",
        "srt": {"endpoint": f"{prefix}.srt.example.net"},
        "playbackRestrictionPolicyArn": "",
        "multitrackInputConfiguration": {
            "enabled": False, "policy": "ALLOW", "maximumResolution": "FULL_HD",
        },
        "containerFormat": "TS",
        "adConfigurationArn": "",
        "failoverSlateConfigurationArn": "",
    }  # fmt: skip
    assert re.fullmatch(r"sk_eu-west-1_[a-zA-Z0-9]{12}_[a-zA-Z0-9]{30}", key["value"])
    assert key["channelArn"] == channel["arn"]
    assert key["tags"] == {}


def test_create_keeps_what_was_sent(ivs):
    sent = {
        "name": "my-Channel_1",
        "latencyMode": "NORMAL",
        "type": "ADVANCED_HD",
        "authorized": True,
        "insecureIngest": True,
        "preset": "CONSTRAINED_BANDWIDTH_DELIVERY",
        "containerFormat": "FRAGMENTED_MP4",
        "tags": {"a b": "é/1"},
    }

    created = ivs.create_channel(**sent)

    assert sent.items() <= created["channel"].items()
    assert created["streamKey"]["tags"] == {}
    assert ivs.get_channel(arn=created["channel"]["arn"])["channel"] == created["channel"]


def test_names_may_repeat(ivs):
    arns = {ivs.create_channel(name="a")["channel"]["arn"] for _ in range(2)}

    assert len(arns) == 2


PRESETS = [
    # id,                type,          sent,                             given
    ("basic",            "BASIC",       None,                             ""),
    ("standard",         "STANDARD",    None,                             ""),
    ("advanced",         "ADVANCED_SD", None,                             "HIGHER_BANDWIDTH_DELIVERY"),
    ("advanced, chosen", "ADVANCED_HD", "CONSTRAINED_BANDWIDTH_DELIVERY", "CONSTRAINED_BANDWIDTH_DELIVERY"),
    ("standard, empty",  "STANDARD",    "",                               ""),
    ("advanced, empty",  "ADVANCED_HD", "",                               "HIGHER_BANDWIDTH_DELIVERY"),
    ("standard, chosen", "STANDARD",    "HIGHER_BANDWIDTH_DELIVERY",      None),
    ("basic, chosen",    "BASIC",       "CONSTRAINED_BANDWIDTH_DELIVERY", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "sent", "given"), [row[1:] for row in PRESETS], ids=[row[0] for row in PRESETS]
)
def test_only_advanced_types_have_a_preset(ivs, type_, sent, given):
    arguments = {"type": type_} | ({"preset": sent} if sent is not None else {})

    if given is None:
        refused(
            ivs, "ValidationException", r"CreateChannel\.preset", ivs.create_channel, **arguments
        )
    else:
        assert ivs.create_channel(**arguments)["channel"]["preset"] == given


def test_the_preset_follows_a_change_of_type(ivs):
    arn = ivs.create_channel()["channel"]["arn"]

    def preset(**changes):
        return ivs.update_channel(arn=arn, **changes)["channel"]["preset"]

    assert preset(type="ADVANCED_SD") == "HIGHER_BANDWIDTH_DELIVERY"
    assert preset(preset="CONSTRAINED_BANDWIDTH_DELIVERY") == "CONSTRAINED_BANDWIDTH_DELIVERY"
    assert preset(type="ADVANCED_HD") == "CONSTRAINED_BANDWIDTH_DELIVERY"
    assert preset(preset="") == "CONSTRAINED_BANDWIDTH_DELIVERY"
    assert preset(type="STANDARD", preset="") == ""
    assert preset(preset="") == ""
    refused(ivs, "ValidationException", "preset", preset, preset="HIGHER_BANDWIDTH_DELIVERY")


MULTITRACK_REFUSED = [
    ("BASIC", {"type": "BASIC", "containerFormat": "FRAGMENTED_MP4"}, "type STANDARD"),
    ("ADVANCED_HD", {"type": "ADVANCED_HD", "containerFormat": "FRAGMENTED_MP4"}, "type STANDARD"),
    ("TS by default", {}, "containerFormat must be FRAGMENTED_MP4"),
    ("TS", {"containerFormat": "TS"}, "containerFormat must be FRAGMENTED_MP4"),
    ("no policy", {
        "containerFormat": "FRAGMENTED_MP4",
        "multitrackInputConfiguration": {"enabled": True, "maximumResolution": "HD"},
    }, "policy and maximumResolution are required"),
    ("no resolution", {
        "containerFormat": "FRAGMENTED_MP4",
        "multitrackInputConfiguration": {"enabled": True, "policy": "ALLOW"},
    }, "policy and maximumResolution are required"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [row[1:] for row in MULTITRACK_REFUSED],
    ids=[row[0] for row in MULTITRACK_REFUSED],
)
def test_multitrack_needs_standard_and_fragmented_mp4_and_all_its_members(ivs, arguments, says):
    arguments = {"multitrackInputConfiguration": MULTITRACK, **arguments}
    arn = ivs.create_channel()["channel"]["arn"]

    refused(ivs, "ValidationException", says, ivs.create_channel, **arguments)
    refused(ivs, "ValidationException", says, ivs.update_channel, arn=arn, **arguments)


def test_multitrack_is_checked_against_what_an_update_leaves_alone(ivs):
    arn = ivs.create_channel(
        multitrackInputConfiguration=MULTITRACK, containerFormat="FRAGMENTED_MP4"
    )["channel"]["arn"]

    for change in ({"type": "BASIC"}, {"containerFormat": "TS"}):
        refused(
            ivs, "ValidationException", "STANDARD|FRAGMENTED", ivs.update_channel, arn=arn, **change
        )
    channel = ivs.update_channel(arn=arn, multitrackInputConfiguration={"enabled": False})[
        "channel"
    ]
    assert channel["multitrackInputConfiguration"] == {
        "enabled": False, "policy": "ALLOW", "maximumResolution": "FULL_HD",
    }  # fmt: skip


def test_ads_and_fragmented_mp4_do_not_go_together(ivs):
    refused(
        ivs, "ValidationException", "adConfigurationArn", ivs.create_channel,
        adConfigurationArn=arn_of("ad-configuration"), containerFormat="FRAGMENTED_MP4",
    )  # fmt: skip


@pytest.mark.parametrize("member", ATTACHMENTS)
def test_attaching_what_does_not_exist_is_not_found_and_detaching_is_fine(ivs, member):
    arn = ivs.create_channel(**{member: ""})["channel"]["arn"]
    absent = arn_of(ATTACHMENTS[member])

    refused(ivs, "ResourceNotFoundException", absent, ivs.create_channel, **{member: absent})
    refused(
        ivs, "ResourceNotFoundException", absent, ivs.update_channel, arn=arn, **{member: absent}
    )
    assert ivs.update_channel(arn=arn, **{member: ""})["channel"][member] == ""
    assert len(ivs.list_channels()["channels"]) == 1


def test_tags_of_aws_are_refused(ivs):
    refused(ivs, "ValidationException", "aws:", ivs.create_channel, tags={"aws:a": ""})


def test_the_channel_quota_answers_402(ivs, service):
    for _ in range(6):
        ivs.create_channel()

    refused(ivs, "ServiceQuotaExceededException", "quota of 6 channels", ivs.create_channel)
    assert service.responses[-1].status == 402
    assert len(ivs.list_channels()["channels"]) == 6
    service.client(region="us-east-1").create_channel()


def test_an_update_changes_what_was_sent_and_keeps_the_rest(ivs):
    before = ivs.create_channel(name="a", tags={"k": "v"}, insecureIngest=True)["channel"]

    after = ivs.update_channel(arn=before["arn"], name="", authorized=True)["channel"]

    assert after == before | {"name": "", "authorized": True}
    assert ivs.get_channel(arn=before["arn"])["channel"] == after
    assert ivs.update_channel(arn=before["arn"])["channel"] == after


def test_a_live_channel_is_neither_updated_nor_deleted(ivs, service):
    before = ivs.create_channel()["channel"]
    arn = before["arn"]
    go_live(service, arn)

    refused(ivs, "ConflictException", f"{arn} is live", ivs.update_channel, arn=arn, name="b")
    refused(ivs, "ConflictException", f"{arn} is live", ivs.delete_channel, arn=arn)
    assert service.responses[-1].status == 409
    assert ivs.get_channel(arn=arn)["channel"] == before


def test_a_channel_is_not_updated_while_an_encoder_connects(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    service.live.connected.add(arn)

    refused(ivs, "ConflictException", f"{arn} is live", ivs.update_channel, arn=arn, name="b")


def test_delete_takes_the_stream_keys_with_it(ivs, service):
    created = ivs.create_channel()
    arn = created["channel"]["arn"]

    ivs.delete_channel(arn=arn)

    assert (service.responses[-1].status, service.responses[-1].body) == (204, b"")
    refused(ivs, "ResourceNotFoundException", arn, ivs.get_channel, arn=arn)
    refused(ivs, "ResourceNotFoundException", arn, ivs.delete_channel, arn=arn)
    refused(
        ivs, "ResourceNotFoundException", "stream-key",
        ivs.get_stream_key, arn=created["streamKey"]["arn"],
    )  # fmt: skip


def test_delete_disconnects_an_encoder_that_is_not_live_yet(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    service.live.connected.add(arn)

    ivs.delete_channel(arn=arn)

    assert service.live.stopped == [arn]


@pytest.mark.parametrize("name", ["get_channel", "update_channel", "delete_channel"])
def test_an_unknown_channel_is_not_found(ivs, name):
    says = f"^An error .* Resource: {NOBODY} does not exist$"

    refused(ivs, "ResourceNotFoundException", says, getattr(ivs, name), arn=NOBODY)


def test_batch_get_answers_each_arn_once_and_names_the_missing(ivs):
    first, second = (ivs.create_channel()["channel"] for _ in range(2))

    answer = ivs.batch_get_channel(
        arns=[second["arn"], NOBODY, first["arn"], NOBODY, second["arn"]]
    )

    assert answer["channels"] == [second, first]
    assert answer["errors"] == [
        {"arn": NOBODY, "code": "404", "message": f"Resource: {NOBODY} does not exist"}
    ]
    assert "errors" not in ivs.batch_get_channel(arns=[first["arn"]])


def test_a_summary_has_no_endpoints_and_no_secrets(ivs):
    channel = ivs.create_channel(name="a", tags={"k": "v"})["channel"]

    (summary,) = ivs.list_channels()["channels"]

    left_out = {
        "ingestEndpoint", "playbackUrl", "srt", "multitrackInputConfiguration", "containerFormat",
    }  # fmt: skip
    assert summary == {name: value for name, value in channel.items() if name not in left_out}


def test_lists_page_by_page_in_the_order_of_creation(ivs):
    created = [ivs.create_channel()["channel"]["arn"] for _ in range(5)]
    pages = list(ivs.get_paginator("list_channels").paginate(PaginationConfig={"PageSize": 2}))

    assert [[one["arn"] for one in page["channels"]] for page in pages] == [
        created[:2], created[2:4], created[4:],
    ]  # fmt: skip
    assert "nextToken" not in pages[-1]
    assert "nextToken" not in ivs.list_channels(maxResults=5, nextToken="")


def test_a_page_neither_repeats_nor_skips_when_channels_come_and_go(ivs):
    created = [ivs.create_channel()["channel"]["arn"] for _ in range(5)]
    first = ivs.list_channels(maxResults=2)

    ivs.delete_channel(arn=created[0])
    ivs.delete_channel(arn=created[1])
    created.append(ivs.create_channel()["channel"]["arn"])
    second = ivs.list_channels(maxResults=4, nextToken=first["nextToken"])

    assert [one["arn"] for one in second["channels"]] == created[2:]


def test_lists_by_exact_name(ivs):
    arns = [ivs.create_channel(name=name)["channel"]["arn"] for name in ("a", "ab", "a")]

    def listed(**filters):
        return [one["arn"] for one in ivs.list_channels(**filters)["channels"]]

    assert listed(filterByName="a") == [arns[0], arns[2]]
    assert listed(filterByName="b") == []
    assert listed(filterByName="") == arns
    assert listed(filterByRecordingConfigurationArn=arn_of("recording-configuration")) == []
    assert listed(filterByName="ab", filterByRecordingConfigurationArn="") == [arns[1]]


def test_two_filters_are_a_conflict(ivs):
    refused(
        ivs, "ConflictException", "filterByName, filterByPlaybackRestrictionPolicyArn",
        ivs.list_channels,
        filterByName="a",
        filterByPlaybackRestrictionPolicyArn=arn_of("playback-restriction-policy"),
    )  # fmt: skip


def test_a_token_works_only_for_the_list_it_came_from(ivs, service):
    for _ in range(2):
        ivs.create_channel(name="a")
    token = ivs.list_channels(maxResults=1)["nextToken"]

    says = r"ListChannels\.nextToken must be"
    refused(ivs, "ValidationException", says, ivs.list_channels, nextToken=token, filterByName="a")
    refused(ivs, "ValidationException", says, ivs.list_channels, nextToken="bad")
    other = service.client(region="us-east-1")
    refused(other, "ValidationException", says, other.list_channels, nextToken=token)

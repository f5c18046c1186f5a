import re
from datetime import UTC, datetime, timedelta

import pytest

from headwater.api.operation import LiveStream

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:ad-configuration/abcdABCDefgh"
NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
SOURCE = "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/"


def sources(*names):
    return [{"playbackConfigurationArn": SOURCE + name} for name in names]


def create(client, **arguments):
    wishes = {"mediaTailorPlaybackConfigurations": sources("a"), **arguments}
    return client.create_ad_configuration(**wishes)["adConfiguration"]


def go_live(service, arn, number=1):
    service.live.streams = [
        LiveStream(
            channel_arn=arn,
            stream_id=f"st-{number:023}",
            started_at_ms=0,
            health="HEALTHY",
            viewer_count=0,
        )
    ]


def in_s(seconds):
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def channel(ivs, service):
    """A live channel with ads."""
    made = create(ivs)
    channel = ivs.create_channel(adConfigurationArn=made["arn"])["channel"]
    go_live(service, channel["arn"])
    return channel


def test_create_gives_awss_defaults_and_get_and_list_show_the_same(ivs):
    made = create(ivs)

    assert re.fullmatch(
        "arn:aws:ivs:eu-west-1:123456789012:ad-configuration/[a-zA-Z0-9]{12}", made["arn"]
    )
    assert made == {
        "arn": made["arn"],
        "name": "",
        "mediaTailorPlaybackConfigurations": sources("a"),
        "postRollConfiguration": {"durationSeconds": 15, "enabled": False},
        "tags": {},
    }
    assert ivs.get_ad_configuration(arn=made["arn"])["adConfiguration"] == made
    assert ivs.list_ad_configurations()["adConfigurations"] == [made]


def test_update_keeps_what_is_not_sent(ivs):
    wishes = {
        "name": "a-B_1",
        "tags": {"k": "v"},
        "mediaTailorPlaybackConfigurations": sources("a", "b", "c"),
        "postRollConfiguration": {"durationSeconds": 300, "enabled": True},
    }
    made = create(ivs, **wishes)
    assert {name: made[name] for name in wishes} == wishes

    update = ivs.update_ad_configuration
    assert update(arn=made["arn"])["adConfiguration"] == made
    assert update(arn=made["arn"], name="")["adConfiguration"] == {**made, "name": ""}
    post_roll = {"durationSeconds": 1, "enabled": False}
    changed = update(
        arn=made["arn"],
        mediaTailorPlaybackConfigurations=sources("d"),
        postRollConfiguration=post_roll,
    )["adConfiguration"]

    assert changed == {
        **made,
        "name": "",
        "mediaTailorPlaybackConfigurations": sources("d"),
        "postRollConfiguration": post_roll,
    }
    assert ivs.get_ad_configuration(arn=made["arn"])["adConfiguration"] == changed


REFUSED = [
    # id,              members,                                                     text
    ("no source",      {"mediaTailorPlaybackConfigurations": []},                   "a list of 1 to 3 items"),
    ("four sources",   {"mediaTailorPlaybackConfigurations": sources(*"abcd")},     "a list of 1 to 3 items"),
    ("no arn in it",   {"mediaTailorPlaybackConfigurations": [{}]},                 r"\[0\].playbackConfigurationArn is a required"),
    ("twice",          {"mediaTailorPlaybackConfigurations": sources("a", "a")},    "same item twice"),
    ("another arn",    {"mediaTailorPlaybackConfigurations": [{"playbackConfigurationArn": NOBODY}]}, "matching arn:aws:mediatailor"),
    ("half a roll",    {"postRollConfiguration": {"enabled": True}},                "postRollConfiguration.durationSeconds is a required"),
    ("other half",     {"postRollConfiguration": {"durationSeconds": 2}},           "postRollConfiguration.enabled is a required"),
    ("too long",       {"postRollConfiguration": {"durationSeconds": 301, "enabled": True}}, "from 1 to 300"),
    ("name",           {"name": "ü"},                                               "name must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_wrong_members_are_refused_by_create_and_update(ivs, members, text):
    made = create(ivs)

    with pytest.raises(ivs.exceptions.ValidationException, match=text):
        create(ivs, **members)
    with pytest.raises(ivs.exceptions.ValidationException, match=text):
        ivs.update_ad_configuration(arn=made["arn"], **members)


def test_tags_of_aws_are_refused(ivs):
    with pytest.raises(ivs.exceptions.ValidationException, match=r"CreateAdConfiguration\.tags"):
        create(ivs, tags={"aws:a": ""})


def test_one_that_a_channel_has_is_not_deleted(ivs, service, channel):
    arn = channel["adConfigurationArn"]

    with pytest.raises(ivs.exceptions.ConflictException, match="attached to a channel"):
        ivs.delete_ad_configuration(arn=arn)
    service.live.streams = []
    ivs.update_channel(arn=channel["arn"], adConfigurationArn="")
    ivs.delete_ad_configuration(arn=arn)

    assert service.responses[-1].status == 204
    with pytest.raises(ivs.exceptions.ResourceNotFoundException):
        ivs.get_ad_configuration(arn=arn)


@pytest.mark.parametrize("name", ["get", "update", "delete"])
def test_an_unknown_one_is_not_found(ivs, name):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NOBODY):
        getattr(ivs, f"{name}_ad_configuration")(arn=NOBODY)


# InsertAdBreak.


def test_a_break_is_ten_seconds_ahead_and_has_an_id(ivs, channel):
    answer = ivs.insert_ad_break(channelArn=channel["arn"], durationSeconds=30)

    assert re.fullmatch("[a-zA-Z0-9]{12}", answer["adBreakId"])
    assert 8 < (answer["targetStartAt"] - datetime.now(UTC)).total_seconds() <= 10


def test_a_break_may_have_an_id_and_a_time_and_is_answered_the_same_again(ivs, service, channel):
    wish = {"channelArn": channel["arn"], "durationSeconds": 30, "adBreakId": "abcABC123456"}
    start = in_s(60).replace(microsecond=0)

    first = ivs.insert_ad_break(**wish, targetStartAt=start)

    assert (first["adBreakId"], first["targetStartAt"]) == ("abcABC123456", start)
    again = ivs.insert_ad_break(**wish)
    assert (again["adBreakId"], again["targetStartAt"]) == ("abcABC123456", start)
    assert [one.id for one in service.live.ad_breaks] == ["abcABC123456"]  # told once


@pytest.mark.parametrize("wish", [{}, {"adBreakId": "abcABC123456", "durationSeconds": 31}])
def test_until_a_break_is_over_there_is_no_other(ivs, channel, wish):
    first = {"channelArn": channel["arn"], "durationSeconds": 30, "adBreakId": "abcABC123456"}
    ivs.insert_ad_break(**first)
    del first["adBreakId"]

    with pytest.raises(ivs.exceptions.ConflictException, match="has an ad break already"):
        ivs.insert_ad_break(**{**first, **wish})


def test_after_a_break_and_in_the_next_stream_there_may_be_another(ivs, service, channel):
    wish = {"channelArn": channel["arn"], "durationSeconds": 1}
    ivs.insert_ad_break(**wish, targetStartAt=in_s(-3))

    second = ivs.insert_ad_break(**wish)
    go_live(service, channel["arn"], 2)
    third = ivs.insert_ad_break(**wish)

    assert second["adBreakId"] != third["adBreakId"]


@pytest.mark.parametrize("ahead_s", [-10, 3700], ids=["past", "far ahead"])
def test_a_time_that_is_past_or_far_ahead_is_refused(ivs, channel, ahead_s):
    with pytest.raises(ivs.exceptions.ValidationException, match=r"targetStartAt must be"):
        ivs.insert_ad_break(
            channelArn=channel["arn"], durationSeconds=1, targetStartAt=in_s(ahead_s)
        )


@pytest.mark.parametrize("text", ["11111111111", "1111111111111", "11111111111-"])
def test_an_id_has_twelve_letters_and_digits(ivs, channel, text):
    with pytest.raises(ivs.exceptions.ValidationException, match=r"InsertAdBreak\.adBreakId"):
        ivs.insert_ad_break(channelArn=channel["arn"], durationSeconds=1, adBreakId=text)


def test_breaks_need_a_live_channel_with_ads(ivs, service, channel):
    plain = ivs.create_channel()["channel"]["arn"]
    go_live(service, plain)

    with pytest.raises(ivs.exceptions.ValidationException, match="with an adConfigurationArn"):
        ivs.insert_ad_break(channelArn=plain, durationSeconds=1)
    with pytest.raises(ivs.exceptions.ChannelNotBroadcasting):
        ivs.insert_ad_break(channelArn=channel["arn"], durationSeconds=1)
    with pytest.raises(ivs.exceptions.ResourceNotFoundException):
        ivs.insert_ad_break(channelArn=NO_CHANNEL, durationSeconds=1)

from datetime import UTC, datetime

import pytest

from headwater.api.operation import LiveStream

NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
START_MS = int(datetime(2020, 5, 5, 21, 55, 38, tzinfo=UTC).timestamp()) * 1000


@pytest.fixture
def channel(ivs):
    return ivs.create_channel()["channel"]


def live(arn, number=1, *, health="HEALTHY", started_at_ms=START_MS + 900):
    return LiveStream(
        channel_arn=arn,
        stream_id=f"st-{number:023}",
        started_at_ms=started_at_ms,
        health=health,
        viewer_count=number,
    )


def test_get_shows_the_live_stream(ivs, service, channel):
    service.live.streams.append(live(channel["arn"]))

    assert ivs.get_stream(channelArn=channel["arn"])["stream"] == {
        "channelArn": channel["arn"],
        "streamId": "st-00000000000000000000001",
        "playbackUrl": channel["playbackUrl"],
        "startTime": datetime(2020, 5, 5, 21, 55, 38, tzinfo=UTC),
        "state": "LIVE",
        "health": "HEALTHY",
        "viewerCount": 1,
    }
    assert b'"startTime":"2020-05-05T21:55:38Z"' in service.responses[-1].body


@pytest.mark.parametrize("name", ["get_stream", "stop_stream"])
def test_an_idle_channel_is_not_broadcasting(ivs, service, channel, name):
    with pytest.raises(ivs.exceptions.ChannelNotBroadcasting) as caught:
        getattr(ivs, name)(channelArn=channel["arn"])

    assert service.responses[-1].status == 404
    assert caught.value.response["Error"]["Message"] == (
        f"ChannelNotBroadcasting: Channel: {channel['arn']} is not currently online"
    )


@pytest.mark.parametrize("name", ["get_stream", "stop_stream"])
def test_an_unknown_channel_is_not_found(ivs, name):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NO_CHANNEL):
        getattr(ivs, name)(channelArn=NO_CHANNEL)


def test_stop_disconnects_also_who_is_not_playable_yet(ivs, service, channel):
    service.live.connected.add(channel["arn"])

    ivs.stop_stream(channelArn=channel["arn"])

    assert service.live.stopped == [channel["arn"]]
    assert (service.responses[-1].status, service.responses[-1].body) == (200, b"{}")


def test_list_shows_the_streams_of_the_scope_oldest_first(ivs, service, channel):
    arn = channel["arn"]
    foreign = arn.replace("eu-west-1", "us-east-1")
    service.live.streams += [
        live(arn, 3, started_at_ms=START_MS + 3000),
        live(foreign, 9),
        live(arn, 2, started_at_ms=START_MS),
        live(arn, 1, started_at_ms=START_MS),
    ]

    streams = ivs.list_streams()["streams"]

    assert [one["viewerCount"] for one in streams] == [1, 2, 3]
    assert streams[2] == {
        "channelArn": arn,
        "streamId": "st-00000000000000000000003",
        "state": "LIVE",
        "health": "HEALTHY",
        "viewerCount": 3,
        "startTime": datetime(2020, 5, 5, 21, 55, 41, tzinfo=UTC),
    }


def test_lists_page_by_page_while_streams_end(ivs, service, channel):
    service.live.streams += [live(channel["arn"], number) for number in range(1, 6)]
    first = ivs.list_streams(maxResults=2)

    del service.live.streams[:2]
    second = ivs.list_streams(maxResults=2, nextToken=first["nextToken"])
    third = ivs.list_streams(maxResults=2, nextToken=second["nextToken"])

    assert [[one["viewerCount"] for one in page["streams"]] for page in (first, second, third)] == [
        [1, 2],
        [3, 4],
        [5],
    ]
    assert "nextToken" not in third


def test_lists_by_health(ivs, service, channel):
    arn = channel["arn"]
    service.live.streams += [live(arn, 1), live(arn, 2, health="STARVING"), live(arn, 3)]

    page = ivs.list_streams(filterBy={"health": "HEALTHY"}, maxResults=1)
    rest = ivs.list_streams(filterBy={"health": "HEALTHY"}, nextToken=page["nextToken"])

    assert [one["viewerCount"] for one in rest["streams"]] == [3]
    assert ivs.list_streams(filterBy={"health": "UNKNOWN"})["streams"] == []
    assert len(ivs.list_streams(filterBy={})["streams"]) == 3
    with pytest.raises(ivs.exceptions.ValidationException, match="nextToken"):
        ivs.list_streams(nextToken=page["nextToken"])

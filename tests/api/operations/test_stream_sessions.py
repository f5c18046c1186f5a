from datetime import UTC, datetime

import pytest
from msgspec.structs import asdict

from headwater.store.records import (
    ChannelRecord,
    FailoverSlateConfigurationRecord,
    RecordingConfigurationRecord,
    Scope,
)
from headwater.store.sessions import StreamSessionRecord

HERE = Scope("123456789012", "eu-west-1")
NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
START = datetime(2020, 5, 5, 21, 55, 38, tzinfo=UTC)
START_MS = int(START.timestamp()) * 1000
INGEST = {
    "videoConfigurations": [
        {
            "avcProfile": "",
            "avcLevel": "",
            "codec": "avc1.42C028",
            "encoder": "Lavf58.45.100",
            "targetBitrate": 8_350_000,
            "targetFramerate": 30,
            "videoHeight": 1080,
            "videoWidth": 1920,
            "level": "4.0",
            "track": "Track0",
            "profile": "Baseline",
        }
    ],
    "audioConfigurations": [
        {
            "codec": "mp4a.40.2",
            "targetBitrate": 46_875,
            "sampleRate": 8000,
            "channels": 2,
            "track": "Track0",
        }
    ],
}


@pytest.fixture
def channel(ivs):
    recording = ivs.create_recording_configuration(
        destinationConfiguration={"s3": {"bucketName": "my-bucket"}}
    )["recordingConfiguration"]
    slate = ivs.create_failover_slate_configuration()["failoverSlateConfiguration"]
    return ivs.create_channel(
        name="demo",
        recordingConfigurationArn=recording["arn"],
        failoverSlateConfigurationArn=slate["arn"],
    )["channel"]


def event(name, ms, code=""):
    return {"name": name, "type": "IVS Stream State Change", "time_ms": ms, "code": code}


def stream_id(number):
    return f"st-{number:023}"


def run(service, number, arn, **changes):
    """A session of a channel, written as a server would."""

    async def write():
        async with service.store.write() as work:
            id_ = arn.rpartition("/")[2]
            record = await work.get(ChannelRecord, HERE, id_)
            fields = asdict(record)
            del fields["srt_passphrase"]
            recording = await work.resource(HERE, record.recording_configuration_arn)
            slate = await work.resource(HERE, record.failover_slate_configuration_arn)
            assert isinstance(recording, RecordingConfigurationRecord | None)
            assert isinstance(slate, FailoverSlateConfigurationRecord | None)
            session = {
                "id": stream_id(number),
                "region": HERE.region,
                "account": HERE.account,
                "channel_id": id_,
                "server": "a",
                "created_at_ms": START_MS - 7000 + number,
                "live_at_ms": 0,
                "ended_at_ms": 0,
                "seen_at_ms": START_MS,
                "has_error_event": False,
                "channel": fields,
                "recording_configuration": asdict(recording) if recording else {},
                "failover_slate_configuration": asdict(slate) if slate else {},
                "ingest": {},
                "events": [event("Session Created", START_MS - 7000)],
            }
            await work.sessions.put(StreamSessionRecord(**{**session, **changes}))

    service.runner.run(write())


def get(client, arn, **arguments):
    return client.get_stream_session(channelArn=arn, **arguments)["streamSession"]


def test_a_session_shows_what_there_was_at_its_start(ivs, service, channel):
    arn = channel["arn"]
    run(
        service,
        1,
        arn,
        live_at_ms=START_MS + 500,
        ingest=INGEST,
        events=[
            event("Session Ended", START_MS + 9000, "MultitrackInputNotAllowed"),
            event("Session Created", START_MS - 7000),
        ],
    )
    recording = ivs.get_recording_configuration(arn=channel["recordingConfigurationArn"])
    slate = ivs.get_failover_slate_configuration(arn=channel["failoverSlateConfigurationArn"])
    ivs.update_channel(arn=arn, name="renamed", failoverSlateConfigurationArn="")
    ivs.delete_failover_slate_configuration(arn=channel["failoverSlateConfigurationArn"])

    shown = get(ivs, arn)

    assert shown["channel"] == {name: value for name, value in channel.items() if name != "srt"}
    assert shown["recordingConfiguration"]["arn"] == recording["recordingConfiguration"]["arn"]
    assert shown["failoverSlateConfiguration"] == slate["failoverSlateConfiguration"]
    assert shown["startTime"] == START
    assert "endTime" not in shown
    assert shown["ingestConfigurations"] == INGEST
    assert shown["ingestConfiguration"] == {
        "video": INGEST["videoConfigurations"][0] | {"avcProfile": "Baseline", "avcLevel": "4.0"},
        "audio": INGEST["audioConfigurations"][0],
    }
    assert [(each["name"], each.get("code")) for each in shown["truncatedEvents"]] == [
        ("Session Ended", "MultitrackInputNotAllowed"),
        ("Session Created", None),
    ]
    assert shown["truncatedEvents"][0]["type"] == "IVS Stream State Change"
    assert b"passphrase" not in service.responses[-1].body


def test_what_is_not_known_yet_is_left_out(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    run(service, 1, arn)

    shown = get(ivs, arn)

    assert shown.keys() == {"streamId", "startTime", "channel", "truncatedEvents"}
    assert shown["startTime"] == START.replace(second=31)  # of the session, until it is live


def test_a_stream_of_sound_alone_has_no_video(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    run(service, 1, arn, ingest=INGEST | {"videoConfigurations": []})

    assert get(ivs, arn)["ingestConfiguration"].keys() == {"audio"}


def test_without_an_id_it_is_the_latest(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    for number in (1, 2, 3):
        run(service, number, arn)

    assert get(ivs, arn)["streamId"] == stream_id(3)
    assert get(ivs, arn, streamId=stream_id(1))["streamId"] == stream_id(1)


def test_what_never_was_is_not_found(ivs, service):
    arn, other = (ivs.create_channel()["channel"]["arn"] for _ in range(2))
    run(service, 1, other)
    refused = pytest.raises(ivs.exceptions.ResourceNotFoundException)

    assert ivs.list_stream_sessions(channelArn=arn)["streamSessions"] == []
    with refused as caught:
        get(ivs, arn)
    assert "stream session of arn:" in str(caught.value)
    with refused:
        get(ivs, arn, streamId=stream_id(1))
    with refused:
        get(ivs, NO_CHANNEL)
    with refused:
        ivs.list_stream_sessions(channelArn=NO_CHANNEL)


def test_sessions_outlive_their_channel(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    run(service, 1, arn, ended_at_ms=START_MS)
    ivs.delete_channel(arn=arn)

    assert get(ivs, arn)["endTime"] == START
    (summary,) = ivs.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["streamId"] == stream_id(1)


def test_another_account_sees_nothing(service, ivs):
    arn = ivs.create_channel()["channel"]["arn"]
    run(service, 1, arn)
    other = service.client(access_key="AKHWOTHERKEY0002")

    with pytest.raises(other.exceptions.ResourceNotFoundException):
        get(other, arn)
    with pytest.raises(other.exceptions.ResourceNotFoundException):
        other.list_stream_sessions(channelArn=arn)


def test_a_list_goes_from_the_newest_on_page_by_page(ivs, service):
    arn = ivs.create_channel()["channel"]["arn"]
    for number in range(5):
        run(
            service,
            number,
            arn,
            live_at_ms=START_MS + number * 1000,
            ended_at_ms=START_MS + 9000 if number < 4 else 0,
            has_error_event=number == 2,
        )

    found, token, pages = [], "", 0
    while token is not None:
        answer = ivs.list_stream_sessions(channelArn=arn, maxResults=2, nextToken=token)
        found += answer["streamSessions"]
        token, pages = answer.get("nextToken"), pages + 1

    assert pages == 3
    assert [each["streamId"] for each in found] == [stream_id(n) for n in (4, 3, 2, 1, 0)]
    assert found[0] == {
        "streamId": stream_id(4),
        "startTime": START.replace(second=42),
        "hasErrorEvent": False,
    }
    assert found[2]["hasErrorEvent"] is True
    assert found[1]["endTime"] == START.replace(second=47)


def test_a_token_of_another_channel_is_refused(ivs, service):
    arn, other = (ivs.create_channel()["channel"]["arn"] for _ in range(2))
    for number in range(2):
        run(service, number, arn)
    token = ivs.list_stream_sessions(channelArn=arn, maxResults=1)["nextToken"]

    with pytest.raises(ivs.exceptions.ValidationException, match="nextToken"):
        ivs.list_stream_sessions(channelArn=other, nextToken=token)

"""Every event of IVS, as its documentation shows it."""

import json

import msgspec
import pytest

from headwater.events import details
from headwater.events.details import account_detail, stream_detail
from headwater.events.envelope import Event

STREAM = {"channel_name": "demo", "stream_id": "st-1A2b3C4d5E6f7G8h9I0jKlM"}
RECORDING = {
    "recording_status_reason": "",
    "recording_s3_bucket_name": "demo-vod",
    "recording_s3_key_prefix": "ivs/v1/111122223333/Ab12Cd34Ef56/2026/10/1/12/0/xYz123AbC456",
    "recording_duration_ms": 3_600_123,
    "recording_session_id": "a6RfV23ES97iyfoQ",
}
BREACH = {"limit_value": 8_500_000, "exceeded_by": 400_000, "limit_unit": "bits per second"}

STATES = [
    ("Session Created", {}),
    ("Session Ended", {}),
    ("Session Ended", {"code": "MultitrackInputNotAllowed"}),
    ("Stream Start", {}),
    ("Stream End", {}),
    ("Stream Failure", {"reason": "Transcode capacity exceeded. Please try again."}),
    ("Stream Takeover", {}),
    ("Stream Takeover Failure", {"code": "StreamTakeoverMediaMismatch"}),
]
# kind, name, what is given beside the stream, where the name stands
EVENTS = [
    *(
        (details.STATE_CHANGE, name, more, "event_name", f"state-{number}")
        for number, (name, more) in enumerate(STATES)
    ),
    (details.HEALTH_CHANGE, "Starvation Start", {}, "event_name", "starvation-start"),
    (details.HEALTH_CHANGE, "Starvation End", {}, "event_name", "starvation-end"),
    (details.LIMIT_BREACH, "Ingest Bitrate", BREACH, "limit_name", "bitrate"),
    *(
        (
            details.LIMIT_BREACH,
            "Ingest Resolution",
            {"limit_value": 495_000, "exceeded_by": 426_600, "limit_unit": unit},
            "limit_name",
            unit,
        )
        for unit in ("total pixels", "pixels per edge")
    ),
    *(
        (details.RECORDING_CHANGE, name, RECORDING | more, "recording_status", name)
        for name, more in (
            ("Recording Start", {"recording_duration_ms": 0}),
            ("Recording End", {"recording_session_stream_ids": ["st-1A2b3C4d5E6f7G8h9I0jKlM"]}),
            (
                "Recording Start Failure",
                {"recording_status_reason": "ValidationException", "recording_s3_key_prefix": ""},
            ),
            ("Recording End Failure", {"recording_status_reason": "InternalServerException"}),
        )
    ),
    (
        details.AD_BREAK_CHANGE,
        "Ad Break Inserted",
        {
            "ad_break_id": "q1W2e3R4t5Y6",
            "duration_seconds": 60,
            "target_start_time": "2026-10-01T12:30:05Z",
        },
        "event_name",
        "ad-break",
    ),
]


@pytest.mark.parametrize(
    ("kind", "name", "more", "field"),
    [row[:4] for row in EVENTS],
    ids=[row[4] for row in EVENTS],
)
def test_an_event_of_a_stream_has_the_documented_fields_and_no_other(kind, name, more, field):
    detail = stream_detail(kind, name, STREAM | more)

    assert msgspec.to_builtins(detail) == {field: name, **STREAM, **more}


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Concurrent Broadcasts", "active streams"), ("Concurrent Viewers", "viewers")],
)
def test_a_breach_of_an_account_belongs_to_no_stream(name, unit):
    given = {"limit_name": name, "limit_value": 10, "exceeded_by": 11, "limit_unit": unit}

    assert msgspec.to_builtins(account_detail(details.LIMIT_BREACH, given)) == given


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        pytest.param(details.STATE_CHANGE, "Stream Begin", STREAM, id="unknown-name"),
        pytest.param(details.STATE_CHANGE, "Stream Start", STREAM | {"x": 1}, id="unknown-field"),
        pytest.param(details.LIMIT_BREACH, "Ingest Bitrate", STREAM, id="missing-field"),
        pytest.param(
            details.LIMIT_BREACH,
            "Ingest Bitrate",
            STREAM | BREACH | {"limit_value": "8"},
            id="wrong-type",
        ),
        pytest.param(
            details.LIMIT_BREACH,
            "Ingest Bitrate",
            STREAM | BREACH | {"exceeded_by": 0.5},
            id="no-whole-number",
        ),
        pytest.param(details.HEALTH_CHANGE, "Starvation End", {}, id="no-stream"),
    ],
)
def test_what_ivs_does_not_document_is_no_event(kind, name, given):
    with pytest.raises(msgspec.ValidationError):
        stream_detail(kind, name, given)


@pytest.mark.parametrize("kind", [details.STATE_CHANGE, details.RECORDING_CHANGE])
def test_only_limits_are_an_accounts(kind):
    with pytest.raises(msgspec.ValidationError, match="belongs to a stream"):
        account_detail(kind, {})


ENVELOPE = """{"version":"0","id":"6b0f0d0e-1111-4222-8333-444455556666","detail-type":"IVS Stream State Change","source":"aws.ivs","account":"111122223333","time":"2026-10-01T12:00:07Z","region":"eu-west-1","resources":["arn:aws:ivs:eu-west-1:111122223333:channel/Ab12Cd34Ef56"],"detail":{"event_name":"Stream Start","channel_name":"demo","stream_id":"st-1A2b3C4d5E6f7G8h9I0jKlM"}}"""
AT_MS = 1_790_856_007_000  # 2026-10-01T12:00:07Z


def event(**changes):
    given = {
        "id": "6b0f0d0e-1111-4222-8333-444455556666",
        "kind": details.STATE_CHANGE,
        "account": "111122223333",
        "region": "eu-west-1",
        "channel_id": "Ab12Cd34Ef56",
        "time_ms": AT_MS,
        "detail": stream_detail(details.STATE_CHANGE, "Stream Start", STREAM),
    }
    return Event(**given | changes).envelope()


def test_the_envelope_is_eventbridges():
    assert event() == json.loads(ENVELOPE)


def test_a_time_has_whole_seconds():
    assert event(time_ms=AT_MS + 999)["time"] == "2026-10-01T12:00:07Z"


def test_what_belongs_to_no_channel_names_no_resource():
    given = {
        "limit_name": "Concurrent Viewers",
        "limit_value": 15_000,
        "exceeded_by": 3,
        "limit_unit": "viewers",
    }
    envelope = event(
        channel_id="",
        kind=details.LIMIT_BREACH,
        detail=account_detail(details.LIMIT_BREACH, given),
    )

    assert envelope["resources"] == []
    assert envelope["detail"] == given

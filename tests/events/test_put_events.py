"""The call as botocore would sign it; that an EventBridge takes it is in test_delivery."""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from events.test_details import ENVELOPE
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.events.put_events import check_answer, request_body, request_headers
from headwater.events.targets import PutEventsTarget

EVENT = json.loads(ENVELOPE)
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT_S = 1_790_856_100
MOTO_SERVER = Path(__file__).parents[2] / ".venv-bench" / "bin" / "moto_server"


def target(url="https://events.eu-west-1.amazonaws.com", **changes):
    given = {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "source": "my.video"}
    return PutEventsTarget(url=url, **given | changes)


def test_the_entry_holds_what_the_event_says():
    (entry,) = json.loads(request_body(target(bus="b"), EVENT))["Entries"]

    detail = json.loads(entry.pop("Detail"))
    assert detail == EVENT["detail"]
    assert entry == {
        "Time": 1_790_856_007.0,
        "Source": "my.video",
        "Resources": EVENT["resources"],
        "DetailType": "IVS Stream State Change",
        "EventBusName": "b",
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://events.eu-west-1.amazonaws.com",
        "https://events.eu-west-1.amazonaws.com/",
        "http://localhost:4566",
        "http://[::1]:4566/",
    ],
)
def test_the_signature_is_botocores(url, monkeypatch):
    to = target(url)
    body = request_body(to, EVENT)
    headers = request_headers(to, SECRET, body, AT_S)
    naive = datetime.fromtimestamp(AT_S, UTC).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: naive)
    request = AWSRequest(
        method="POST",
        url=url,
        headers={
            "Content-Type": headers["Content-Type"],
            "X-Amz-Target": headers["X-Amz-Target"],
            "Host": urlsplit(url).netloc,
        },
        data=body,
    )
    credentials = Credentials("AKIDEXAMPLE", SECRET.reveal())
    botocore.auth.SigV4Auth(credentials, "events", "eu-west-1").add_auth(request)

    assert headers["X-Amz-Date"] == request.headers["X-Amz-Date"]
    assert headers["Authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "none of PutEvents", id="empty"),
        pytest.param(b"<html>", "none of PutEvents", id="html"),
        pytest.param(b'{"Entries":[{"ErrorCode":"\xff"}]}', "none of PutEvents", id="no text"),
        pytest.param(b'{"FailedEntryCount":"1"}', "none of PutEvents", id="wrong-type"),
        pytest.param(
            b'{"FailedEntryCount":1,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException",'
            b'"ErrorMessage":"Not authorized for the source."}]}',
            "refused: NotAuthorizedForSourceException Not authorized",
            id="refused",
        ),
        pytest.param(b'{"FailedEntryCount":1}', "refused", id="refused-without-reason"),
    ],
)
def test_an_entry_that_was_not_taken_is_told(body, says):
    with pytest.raises(PeerError, match=says):
        check_answer(body)


def test_an_entry_that_was_taken_is_no_error():
    check_answer(b'{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}')

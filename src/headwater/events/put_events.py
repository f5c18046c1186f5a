"""PutEvents: an event as EventBridge's own API takes it, signed with SigV4. Pure.

Source: EventBridge API reference, PutEvents (JSON 1.1); AWS IAM user guide, "Create a signed
AWS API request". EventBridge gives each entry an id of its own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from headwater.auth.sigv4 import ALGORITHM, TERMINATOR, Credential, signing_hmac
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.events.targets import PutEventsTarget

SERVICE = "events"
_TARGET = "AWSEvents.PutEvents"
_CONTENT_TYPE = "application/x-amz-json-1.1"
_SIGNED = "content-type;host;x-amz-date;x-amz-target"


class _Entry(Struct, frozen=True, rename="pascal"):
    error_code: str = ""
    error_message: str = ""


class _Answer(Struct, frozen=True, rename="pascal"):
    failed_entry_count: int
    entries: list[_Entry] = []


def request_body(target: PutEventsTarget, event: Mapping[str, Any]) -> bytes:
    """The call's body: one entry."""
    entry = {
        "Time": datetime.fromisoformat(event["time"]).timestamp(),
        "Source": target.source,
        "Resources": event["resources"],
        "DetailType": event["detail-type"],
        "Detail": msgspec.json.encode(event["detail"]).decode(),
        "EventBusName": target.bus,
    }
    return msgspec.json.encode({"Entries": [entry]})


def request_headers(
    target: PutEventsTarget, secret: Secret, body: bytes, now_s: int
) -> dict[str, str]:
    """The call's headers, signed.

    Args:
        target: where it goes.
        secret: of the access key.
        body: as it is sent.
        now_s: Unix seconds.
    """
    time = f"{datetime.fromtimestamp(now_s, UTC):%Y%m%dT%H%M%SZ}"
    parts = urlsplit(target.url)
    canonical = "\n".join(
        [
            "POST",
            parts.path or "/",
            "",
            f"content-type:{_CONTENT_TYPE}",
            f"host:{parts.netloc}",
            f"x-amz-date:{time}",
            f"x-amz-target:{_TARGET}",
            "",
            _SIGNED,
            sha256(body).hexdigest(),
        ]
    )
    credential = Credential(
        access_key_id=target.access_key_id, date=time[:8], region=target.region, service=SERVICE
    )
    scope = f"{credential.date}/{credential.region}/{SERVICE}/{TERMINATOR}"
    signed = "\n".join([ALGORITHM, time, scope, sha256(canonical.encode()).hexdigest()])
    signing = signing_hmac(secret, credential).copy()
    signing.update(signed.encode())
    return {
        "Content-Type": _CONTENT_TYPE,
        "X-Amz-Date": time,
        "X-Amz-Target": _TARGET,
        "Authorization": f"{ALGORITHM} Credential={target.access_key_id}/{scope}, "
        f"SignedHeaders={_SIGNED}, Signature={signing.hexdigest()}",
    }


def check_answer(body: bytes) -> None:
    """See whether the entry was taken.

    Raises:
        PeerError: it was not, and why.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PeerError("the answer is none of PutEvents") from None
    if answer.failed_entry_count:
        entry = answer.entries[0] if answer.entries else _Entry()
        raise PeerError(f"the entry was refused: {entry.error_code} {entry.error_message}")

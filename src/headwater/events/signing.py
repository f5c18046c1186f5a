"""Signing: how whoever gets a webhook knows that it is ours, and new.

    webhook-id: <the event's id>
    webhook-timestamp: <Unix seconds of this attempt>
    webhook-signature: v1,<base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>">

Source: Standard Webhooks 1.0.0 ("Webhook metadata", "Signature scheme"), for which there are
libraries in many languages. A secret is `whsec_` and base64 of 24 to 64 bytes.
"""

import base64
import binascii
from hashlib import sha256
from hmac import digest

from headwater.core.errors import OperatorError
from headwater.core.ids import RandomBytes
from headwater.core.secret import Secret

PREFIX = "whsec_"
MIN_SECRET_BYTES, NEW_SECRET_BYTES, MAX_SECRET_BYTES = 24, 32, 64


def new_secret(random_bytes: RandomBytes) -> Secret:
    """A secret that nobody has."""
    return Secret(PREFIX + base64.b64encode(random_bytes(NEW_SECRET_BYTES)).decode())


def check_secret(secret: Secret) -> None:
    """Refuse what is no secret of a webhook.

    Raises:
        OperatorError: what it must be; never repeats it.
    """
    _key(secret)


def signed_headers(secret: Secret, event_id: str, now_s: int, body: bytes) -> dict[str, str]:
    """The headers that sign a request.

    Args:
        secret: the rule's.
        event_id: the same for each attempt.
        now_s: Unix seconds.
        body: as it is sent.
    """
    signed = b"%s.%d.%s" % (event_id.encode(), now_s, body)
    signature = base64.b64encode(digest(_key(secret), signed, sha256)).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{signature}",
    }


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise OperatorError(
            f"a webhook's secret must be {PREFIX} and base64 of {MIN_SECRET_BYTES} to "
            f"{MAX_SECRET_BYTES} bytes; without one, it is made"
        )
    return key

"""New access keys, lasting and temporary, in AWS's forms.

Source: IAM user guide, "Unique identifiers", and the STS API reference, GetSessionToken.
"""

from hashlib import sha256

from headwater.core import ids
from headwater.core.ids import RandomBytes
from headwater.core.secret import Secret
from headwater.store.identities import AccessKeyRecord


def lasting_key(
    random_bytes: RandomBytes, *, account: str, user_id: str, description: str, now_ms: int
) -> AccessKeyRecord:
    """An access key nobody has seen yet."""
    return AccessKeyRecord(
        id=ids.access_key_id(random_bytes),
        account=account,
        secret=ids.access_key_secret(random_bytes),
        created_at_ms=now_ms,
        description=description,
        user_id=user_id,
        session_digest=b"",
        expires_at_ms=0,
    )


def temporary_key(
    random_bytes: RandomBytes,
    *,
    account: str,
    user_id: str,
    description: str,
    now_ms: int,
    lasts_ms: int,
) -> tuple[AccessKeyRecord, Secret]:
    """An access key that ends, and the session token without which it is none."""
    token = ids.session_token(random_bytes)
    key = AccessKeyRecord(
        id=ids.temporary_key_id(random_bytes),
        account=account,
        secret=ids.access_key_secret(random_bytes),
        created_at_ms=now_ms,
        description=description,
        user_id=user_id,
        session_digest=token_digest(token),
        expires_at_ms=now_ms + lasts_ms,
    )
    return key, token


def token_digest(token: Secret) -> bytes:
    """What is kept of a session token."""
    return sha256(token.reveal().encode("utf-8", "surrogatepass")).digest()

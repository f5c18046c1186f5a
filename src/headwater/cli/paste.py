"""Lines to paste into a shell."""

from headwater.core.secret import Secret
from headwater.store.identities import AccessKeyRecord


def key_lines(
    key: AccessKeyRecord, region: str, api_url: str | None = None, *, token: Secret | None = None
) -> list[str]:
    """Shell lines that make the AWS CLI and SDKs use this key (and this endpoint)."""
    lines = [
        f"export AWS_ACCESS_KEY_ID={key.id}",
        f"export AWS_SECRET_ACCESS_KEY={key.secret.reveal()}",
        f"export AWS_DEFAULT_REGION={region}",
        f"export AWS_REGION={region}",  # the JavaScript SDK reads only this one
    ]
    if token:
        lines.insert(2, f"export AWS_SESSION_TOKEN={token.reveal()}")
    if api_url:
        lines += [f"export AWS_ENDPOINT_URL_{service}={api_url}" for service in ("IVS", "STS")]
    return lines

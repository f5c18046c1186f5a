"""What the operator decides for the API."""

from msgspec import Struct

from headwater.api.quotas import DEFAULT, Quotas

# The longest request of the API, 50 tags of 128 and 256 characters, each character
# written as two \uXXXX escapes, has 230,000 bytes.
MAX_BODY_BYTES = 262_144


class ApiSettings(Struct, frozen=True, kw_only=True):
    """Endpoints, in which `{prefix}` and `{region}` may stand anywhere, and quotas.

    `{prefix}` becomes 12 hexadecimal digits, one value for each account and region.
    """

    ingest_host: str  # a bare host, as encoders and the API's clients reach it
    srt_host: str  # the same for SRT
    playback_base_url: str  # scheme and authority, e.g. "https://{prefix}.example.net"
    quotas: Quotas = DEFAULT
    max_body_bytes: int = MAX_BODY_BYTES  # a longer one is answered with 413

"""The canonical request of SigV4: one text for all ways to write the same request.

Source: AWS IAM user guide, "Create a signed AWS API request", step 1.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote_to_bytes

from headwater.core.http import Headers

HeaderValues = Mapping[str, Sequence[str]]
"""Lower-case header names and all values of each, in the order they came."""

_SPACES = re.compile(r" +")
_UNRESERVED = "-_.~"  # RFC 3986 §2.3; letters and digits are always safe
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]*)+")  # nothing in it to encode
_TAG_ROUTE = "/tags/"


def header_values(headers: Headers) -> dict[str, list[str]]:
    """The headers by name."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    return found


def canonical_headers(values: HeaderValues, signed: Sequence[str]) -> str:
    """The lines of the signed headers; one that is listed and missing counts as empty."""
    return "".join(f"{name}:{_joined(values.get(name, ()))}\n" for name in signed)


def canonical_path(path: str) -> str:
    """The path as SDKs sign it, from the percent-decoded path of the request.

    Every service but S3 signs the path of the request line, which is encoded, encoded
    once more: each segment of `path` is encoded twice here. The only decoded segment
    that can itself hold a "/" is the ARN of the tag routes, which all SDKs send as one
    segment, `/tags/arn%3Aaws%3Aivs%3A...%3Achannel%2FID`, and sign as
    `/tags/arn%253Aaws%253Aivs%253A...%253Achannel%252FID`.
    """
    if path.startswith(_TAG_ROUTE):
        return _TAG_ROUTE + _encode_twice(path.removeprefix(_TAG_ROUTE))
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join(_encode_twice(segment) for segment in path.split("/")) or "/"


def canonical_query(query: str) -> str:
    """The query, each name and value encoded one way, sorted by name, then value.

    A "+" is a plus: signers write a space as "%20".
    """
    if not query:
        return ""
    pairs = (part.partition("=") for part in query.split("&") if part)
    encoded = sorted((_reencode(name), _reencode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _joined(values: Sequence[str]) -> str:
    """The values of one header, trimmed, inner spaces made one, joined by commas."""
    joined = values[0] if len(values) == 1 else ",".join([each.strip(" \t") for each in values])
    return _SPACES.sub(" ", joined.strip(" \t")) if "  " in joined else joined.strip(" \t")


def _encode_twice(text: str) -> str:
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe=_UNRESERVED)
    return quote(encoded, safe=_UNRESERVED)


def _reencode(text: str) -> str:
    # surrogatepass: a header or query may hold what is no text, and is then refused as
    # a mismatch, not as a failure of ours.
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogatepass")), safe=_UNRESERVED)

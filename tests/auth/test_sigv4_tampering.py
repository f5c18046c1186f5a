"""A signed request that somebody has altered on its way, anywhere, is refused."""

from datetime import timedelta
from urllib.parse import quote

import botocore.auth
import pytest

from auth.signing import (
    ACCESS_KEY,
    NOW,
    NOW_MS,
    TAG_ARN,
    check,
    replaced,
    signed,
    with_header,
)
from headwater.auth import sigv4
from headwater.auth.canonical import canonical_query
from headwater.auth.errors import InvalidSignatureError, SignatureError

SENT = {
    "in the header": signed(
        path="/tags/" + quote(TAG_ARN, safe=""),
        query="tagKeys=a%20b&tagKeys=c",
        headers={"content-type": "application/json", "x-amz-user-agent": "a/1  b/2"},
        body=b'{"tags": {"team": "live"}}',
        token="a-session-token",
    ),
    "presigned": signed(
        signer=botocore.auth.SigV4QueryAuth,
        method="GET",
        path="/tags/" + quote(TAG_ARN, safe=""),
        headers={"x-amz-user-agent": "a/1 b/2"},
        token="a-session-token",
        body=b"",
    ),
}


def variants(text):
    """The text with each of its characters replaced, in three ways."""
    for at, char in enumerate(text):
        for other in {chr(ord(char) ^ 1), chr(ord(char) ^ 0x20), "0"} - {char}:
            yield text[:at] + other + text[at + 1 :]


def alterations(request):
    """Every request that differs from this one in one byte that counts."""
    for method in variants(request.method):
        yield replaced(request, method=method)
    for path in variants(request.path):
        yield replaced(request, path=path)
    for query in variants(request.query):
        # %2f and %2F are the same byte, and the same request.
        if canonical_query(query) != canonical_query(request.query):
            yield replaced(request, query=query)
    for body in variants(request.body.decode("latin-1")):
        yield replaced(request, body=body.encode("latin-1"))
    signed_too = {"authorization", "host", "content-type"}
    for name, value in request.headers:
        if name in signed_too or name.startswith("x-amz-"):
            for altered in variants(value):
                yield with_header(request, name, altered)


@pytest.mark.parametrize("request_", SENT.values(), ids=SENT)
def test_any_byte_altered_anywhere_is_refused(request_):
    check(request_)
    count = 0
    for altered in alterations(request_):
        count += 1
        try:
            signature = check(altered)
        except SignatureError:
            continue
        # The key's name is no part of what is signed: the caller looks it up, in vain.
        assert signature.credential.access_key_id != ACCESS_KEY, altered
    assert count > 1000


REPLAYS = [
    # id,                           seconds later, is it still good
    ("at once",                     0,     True),
    ("at the end of the window",    300,   True),
    ("after the window",            301,   False),
    ("a day later",                 86400, False),
    ("before it was signed",        -301,  False),
]  # fmt: skip


@pytest.mark.parametrize(("later_s", "good"), [r[1:] for r in REPLAYS], ids=[r[0] for r in REPLAYS])
def test_a_request_can_be_replayed_within_the_window_only(later_s, good):
    if good:
        check(signed(), now_ms=NOW_MS + later_s * 1000)
    else:
        with pytest.raises(InvalidSignatureError, match=r"Signature expired|not yet current"):
            check(signed(), now_ms=NOW_MS + later_s * 1000)


def test_the_time_cannot_be_renewed_without_the_secret():
    later = NOW + timedelta(minutes=10)
    renewed = with_header(signed(), "x-amz-date", f"{later:%Y%m%dT%H%M%SZ}")

    with pytest.raises(InvalidSignatureError, match="does not match"):
        check(renewed, now_ms=NOW_MS + 600_000)


def appended(request, *headers):
    return replaced(request, headers=[*request.headers, *headers])


def swapped(request, old, new):
    text = request.header("authorization")
    assert old in text
    return with_header(request, "authorization", text.replace(old, new))


PLAIN = signed(headers={"content-type": "application/json"})
SMUGGLED = [
    # id, request, says
    ("unsigned x-amz-*",     appended(PLAIN, ("x-amz-target", "x")), "'x-amz-target' must be a 'SignedHeader'"),
    ("unsigned token",       appended(PLAIN, ("x-amz-security-token", "x")), "'x-amz-security-token' must be a 'SignedHeader'"),
    ("second host",          appended(PLAIN, ("host", "evil")), "one 'host' header"),
    ("second date",          appended(PLAIN, ("x-amz-date", "20150830T123601Z")), "one 'x-amz-date' header"),
    ("second token",         appended(SENT["in the header"], ("x-amz-security-token", "x")), "one 'x-amz-security-token'"),
    ("second content type",  appended(PLAIN, ("content-type", "text/plain")), "does not match"),
    ("signed header gone",   with_header(PLAIN, "content-type", None), "does not match"),
    ("header name in capitals", swapped(PLAIN, "content-type;host", "content-type;Host"), "'host' must be a 'SignedHeader'"),
    ("another region",       swapped(PLAIN, "/eu-west-1/", "/us-east-1/"), "does not match"),
    ("another service",      swapped(PLAIN, "/ivs/", "/sts/"), "correct service: 'ivs'"),
    ("another day",          swapped(PLAIN, "/20150830/", "/20150829/"), "does not match YYYYMMDD"),
    ("path encoded twice",   replaced(PLAIN, path="/Create%43hannel"), "does not match"),
    ("path with dots",       replaced(PLAIN, path="/x/../CreateChannel"), "does not match"),
    ("path with slashes",    replaced(PLAIN, path="//CreateChannel"), "does not match"),
    ("more query",           replaced(PLAIN, query="a"), "does not match"),
    ("streaming",            signed(headers={"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}), "SHA-256 of the request's body"),
    ("unsigned payload",     signed(headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), "SHA-256 of the request's body"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "says"), [row[1:] for row in SMUGGLED], ids=[row[0] for row in SMUGGLED]
)
def test_refuses_what_the_signer_did_not_mean(request_, says):
    with pytest.raises(SignatureError, match=says):
        check(request_)


@pytest.mark.parametrize("header", ["via", "x-forwarded-for", "x-amzn-trace-id", "x-amz-cf-id"])
def test_proxies_may_add_their_headers(header):
    check(appended(PLAIN, (header, "added")))


def test_header_names_in_capitals_are_the_servers_matter_and_values_keep_their_case():
    check(replaced(PLAIN, headers=[(name.lower(), value) for name, value in PLAIN.headers]))
    with pytest.raises(InvalidSignatureError, match="does not match"):
        check(with_header(PLAIN, "content-type", "Application/JSON"))


@pytest.mark.parametrize("at", [0, 31, 63])
def test_digests_are_compared_whole_and_in_constant_time(at, monkeypatch):
    compared = []

    def spy(ours, theirs):
        compared.append((ours, theirs))
        return ours == theirs

    monkeypatch.setattr(sigv4, "compare_digest", spy)
    text = PLAIN.header("authorization")
    digest = text[-64:]
    wrong = digest[:at] + ("0" if digest[at] != "0" else "1") + digest[at + 1 :]
    with pytest.raises(InvalidSignatureError):
        check(with_header(PLAIN, "authorization", text[:-64] + wrong))

    # Nothing looked at the digest before hmac.compare_digest got all of it.
    assert compared == [(digest.encode(), wrong.encode())]


def test_signing_keys_are_remembered_within_a_bound():
    sigv4.signing_hmac.cache_clear()
    check(PLAIN)
    check(PLAIN)
    info = sigv4.signing_hmac.cache_info()

    assert (info.hits, info.misses) == (1, 1)
    assert info.maxsize == sigv4.SIGNING_KEYS

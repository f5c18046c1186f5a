"""SigV4 against AWS's published examples, and against botocore as an independent signer."""

import string
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.signing import (
    ACCESS_KEY,
    NOW,
    NOW_MS,
    SECRET,
    TAG_ARN,
    check,
    replaced,
    signed,
    with_header,
)
from headwater.auth import sigv4
from headwater.auth.errors import (
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingTokenError,
    SignatureError,
    UnrecognizedClientError,
)
from headwater.auth.sigv4 import parse, verify
from headwater.core.http import Request
from headwater.core.secret import Secret


def published(*, service, signed_headers, digest, method="GET", query="", headers=(), body=b""):
    """One of AWS's published examples: 20150830T123600Z, us-east-1."""
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={signed_headers}, Signature={digest}"
    )
    return Request(
        method=method,
        path="/",
        query=query,
        headers=[*headers, ("x-amz-date", "20150830T123600Z"), ("authorization", authorization)],
        body=body,
    )


EXAMPLE_HOST = ("host", "example.amazonaws.com")
FORM = ("content-type", "application/x-www-form-urlencoded")
PUBLISHED = [
    ("IAM ListUsers", "iam", {
        "signed_headers": "content-type;host;x-amz-date",
        "digest": "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        "query": "Action=ListUsers&Version=2010-05-08",
        "headers": [("content-type", FORM[1] + "; charset=utf-8"), ("host", "iam.amazonaws.com")]}),
    ("get-vanilla", "service", {
        "signed_headers": "host;x-amz-date",
        "digest": "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        "headers": [EXAMPLE_HOST]}),
    ("get-vanilla-query-order-key-case", "service", {
        "signed_headers": "host;x-amz-date",
        "digest": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        "query": "Param2=value2&Param1=value1",
        "headers": [EXAMPLE_HOST]}),
    ("post-vanilla", "service", {
        "method": "POST",
        "signed_headers": "host;x-amz-date",
        "digest": "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        "headers": [EXAMPLE_HOST]}),
    ("post-x-www-form-urlencoded", "service", {
        "method": "POST",
        "signed_headers": "content-type;host;x-amz-date",
        "digest": "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "headers": [FORM, EXAMPLE_HOST],
        "body": b"Param1=value1"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "example"), [row[1:] for row in PUBLISHED], ids=[row[0] for row in PUBLISHED]
)
def test_accepts_what_aws_publishes(service, example):
    request = published(service=service, **example)

    signature = parse(request, now_ms=NOW_MS, service=service)
    verify(signature, request, SECRET)

    assert signature.credential.access_key_id == ACCESS_KEY
    assert signature.credential.region == "us-east-1"


def test_the_signing_key_is_the_one_aws_publishes():
    request = published(service="iam", **PUBLISHED[0][2])
    credential = parse(request, now_ms=NOW_MS, service="iam").credential

    assert sigv4.signing_key(SECRET, credential).hex() == (
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    )


HEADER_VALUES = st.text(string.ascii_letters + string.digits + " ;=/,.-", max_size=20)
HEADER_NAMES = st.sampled_from(["content-type", "x-amz-user-agent", "amz-sdk-request", "accept"])
WORDS = st.text(string.ascii_letters + string.digits + " -_.~/:=+@é&%", min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES),
    path=st.sampled_from(["/CreateChannel", "/a%20b", "/tags/" + quote(TAG_ARN, safe=""), "/"]),
    query=st.lists(st.tuples(WORDS, WORDS), max_size=4),
    region=st.sampled_from(["us-east-1", "eu-central-1", "local"]),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    offset_s=st.integers(-300, 300),
)
def test_accepts_what_botocore_signs(*, body, headers, path, query, region, method, offset_s):
    request = signed(
        method=method,
        path=path,
        query="&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query),
        headers=headers,
        body=body,
        region=region,
        at=NOW + timedelta(seconds=offset_s),
    )

    assert check(request).credential.region == region


@settings(max_examples=60, deadline=None)
@given(body=st.binary(min_size=1, max_size=60), data=st.data())
def test_refuses_a_body_altered_by_one_byte(body, data):
    request = signed(body=body)
    at = data.draw(st.integers(0, len(body) - 1))
    altered = bytearray(body)
    altered[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(InvalidSignatureError, match="does not match"):
        check(replaced(request, body=bytes(altered)))


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_refuses_an_authorization_altered_by_one_character(data):
    request = signed(body=b'{"name":"a"}')
    text = request.header("authorization")
    at = data.draw(st.integers(0, len(text) - 1))
    # The key's name is no part of what is signed; the caller looks it up. Trailing
    # blanks around parameters carry nothing.
    letter = data.draw(st.sampled_from("0aZ/=;,").filter(lambda char: char != text[at]))
    altered = text[:at] + letter + text[at + 1 :]

    try:
        signature = check(with_header(request, "authorization", altered))
    except SignatureError:
        return
    assert signature.credential.access_key_id != ACCESS_KEY


ALTERED = [
    ("method",                lambda r: replaced(r, method="PUT")),
    ("path",                  lambda r: replaced(r, path="/DeleteChannel")),
    ("query",                 lambda r: replaced(r, query="x=1")),
    ("signed header",         lambda r: with_header(r, "content-type", "text/plain")),
    ("signed header removed", lambda r: with_header(r, "content-type", None)),
    ("signed header doubled", lambda r: replaced(r, headers=[*r.headers, ("content-type", "a")])),
    ("host",                  lambda r: with_header(r, "host", "127.0.0.1:8081")),
    ("date",                  lambda r: with_header(r, "x-amz-date", "20150830T123601Z")),
    ("body hash",             lambda r: with_header(r, "x-amz-content-sha256", "0" * 64)),
]  # fmt: skip


@pytest.mark.parametrize("alter", [row[1] for row in ALTERED], ids=[row[0] for row in ALTERED])
def test_refuses_an_altered_request(alter):
    request = signed(headers={"content-type": "application/json"})
    check(request)

    with pytest.raises(InvalidSignatureError):
        check(alter(request))


def test_refuses_another_secret():
    with pytest.raises(InvalidSignatureError, match="does not match"):
        check(signed(), secret=Secret("another"))


def test_ignores_headers_that_are_not_signed():
    check(with_header(signed(), "via", "1.1 proxy"))


def test_a_content_hash_must_be_signed_and_be_the_hash_of_the_body():
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    check(signed(headers={"x-amz-content-sha256": digest}))

    with pytest.raises(InvalidSignatureError, match="'x-amz-content-sha256' must be a 'Signed"):
        check(with_header(signed(), "x-amz-content-sha256", digest))


@pytest.mark.parametrize("value", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""])
def test_refuses_a_payload_that_is_not_signed(value):
    with pytest.raises(InvalidSignatureError, match="SHA-256 of the request's body"):
        check(signed(headers={"x-amz-content-sha256": value}))


def test_reads_the_time_from_date_when_there_is_no_x_amz_date():
    http_date = "Sun, 30 Aug 2015 12:36:00 GMT"

    assert check(signed(headers={"Date": http_date})).timestamp == "20150830T123600Z"


SKEW = [
    # id,                    seconds, refused with
    ("5 minutes old",         -300, None),
    ("a second older",        -301, ("Signature expired: 20150830T123059Z is now earlier than "
                                    r"20150830T123100Z \(20150830T123600Z - 5 min.\)")),
    ("5 minutes early",        300, None),
    ("a second earlier",       301, ("Signature not yet current: 20150830T124101Z is still later "
                                    r"than 20150830T124100Z \(20150830T123600Z \+ 5 min.\)")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("offset_s", "says"), [row[1:] for row in SKEW], ids=[row[0] for row in SKEW]
)
def test_accepts_five_minutes_of_skew_both_ways(offset_s, says):
    request = signed(at=NOW + timedelta(seconds=offset_s))

    if says is None:
        check(request)
    else:
        with pytest.raises(InvalidSignatureError, match=says):
            check(request)


def rewritten(old, new):
    request = signed()
    text = request.header("authorization").replace(old, new)
    return with_header(request, "authorization", text)


REFUSED = [
    # id, request, error, says
    ("unsigned", with_header(signed(), "authorization", None),
     MissingTokenError, "^Missing Authentication Token$"),
    ("empty", with_header(signed(), "authorization", " "),
     IncompleteSignatureError, "cannot be empty"),
    ("two", replaced(signed(), headers=[*signed().headers, ("authorization", "x")]),
     IncompleteSignatureError, "one 'authorization' header"),
    ("endless", with_header(signed(), "authorization", "A" * 5000),
     IncompleteSignatureError, "too long"),
    ("not ASCII", with_header(signed(), "authorization", "AWS4-HMAC-SHA256 é"),
     IncompleteSignatureError, "not ASCII"),
    ("bearer", with_header(signed(), "authorization", "Bearer abc"),
     IncompleteSignatureError, "AWS4-HMAC-SHA256"),
    ("no parameters", with_header(signed(), "authorization", "AWS4-HMAC-SHA256"),
     IncompleteSignatureError, "missing equal-sign"),
    ("no credential", rewritten("Credential=", "Cred="),
     IncompleteSignatureError, "requires 'Credential' parameter"),
    ("no signature", rewritten("Signature=", "Sig="),
     IncompleteSignatureError, "requires 'Signature' parameter"),
    ("no signed headers", rewritten("SignedHeaders=", "Headers="),
     IncompleteSignatureError, "requires 'SignedHeaders' parameter"),
    ("no equal-sign", rewritten("Signature=", "Signature"),
     IncompleteSignatureError, "missing equal-sign"),
    ("twice", rewritten("SignedHeaders=", "Credential="),
     IncompleteSignatureError, "twice"),
    ("short digest", rewritten("Signature=", "Signature=0"),
     IncompleteSignatureError, "64 lower-case"),
    ("4 scope parts", rewritten("/aws4_request", ""),
     IncompleteSignatureError, "exactly 5"),
    ("no date", with_header(signed(), "x-amz-date", None),
     IncompleteSignatureError, "'X-Amz-Date' or a 'Date'"),
    ("odd date", with_header(signed(), "x-amz-date", "20151330T123600Z"),
     IncompleteSignatureError, "basic format"),
    ("host unsigned", rewritten("host;", ""),
     InvalidSignatureError, "'host' must be a 'SignedHeader'"),
    ("date unsigned", rewritten(";x-amz-date", ""),
     InvalidSignatureError, "'x-amz-date' must be a 'SignedHeader'"),
    ("terminator", rewritten("aws4_request", "aws5_request"),
     InvalidSignatureError, "valid terminator: 'aws4_request'"),
    ("service", signed(service="s3"),
     InvalidSignatureError, "correct service: 'ivs'"),
    ("region", signed(region="US_EAST"),
     InvalidSignatureError, "valid Region"),
    ("scope date", rewritten("/20150830/", "/20150829/"),
     InvalidSignatureError, "does not match YYYYMMDD"),
    ("odd key id", rewritten(ACCESS_KEY, "a'b"),
     UnrecognizedClientError, "security token included in the request is invalid"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "error", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(request_, error, says):
    with pytest.raises(error, match=says) as caught:
        check(request_)

    assert caught.value.status == 403
    assert caught.value.code.endswith("Exception")


@settings(max_examples=200, deadline=None)
@given(
    authorization=st.one_of(
        st.text(max_size=80),
        st.text(max_size=80).map("AWS4-HMAC-SHA256 Credential=".__add__),
    ),
    date=st.text(max_size=40),
    http_date=st.text(string.printable, max_size=40),
    path=st.text(max_size=20),
    query=st.text(max_size=20),
)
def test_any_text_is_accepted_or_refused_with_a_signature_error(
    authorization, date, http_date, path, query
):
    base = replaced(signed(), path=path, query=query)
    for request in (
        with_header(base, "authorization", authorization),
        with_header(base, "x-amz-date", date),
        with_header(with_header(base, "x-amz-date", None), "date", http_date),
        base,
    ):
        with pytest.raises(SignatureError):
            check(request)

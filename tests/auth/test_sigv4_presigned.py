"""Signatures in the query: as botocore makes them, and all that is refused of them."""

from datetime import timedelta
from hashlib import sha256
from hmac import digest as hmac_digest
from urllib.parse import quote

import botocore.auth
import pytest

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
from headwater.auth.errors import IncompleteSignatureError, InvalidSignatureError
from headwater.core.http import Request


def presigned(expires_s=3600, **more):
    class Signer(botocore.auth.SigV4QueryAuth):
        def __init__(self, *arguments):
            super().__init__(*arguments, expires=expires_s)

    path = "/tags/" + quote(TAG_ARN, safe="")
    return signed(**{"method": "GET", "path": path, "body": b"", "signer": Signer} | more)


def presigned_post(body, payload=None):
    """POST /ListChannels, signed by hand: botocore would move the body into the query."""
    scope = "20150830/eu-west-1/ivs/aws4_request"
    query = "&".join(
        [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            f"X-Amz-Credential={ACCESS_KEY}%2F{quote(scope, safe='')}",
            "X-Amz-Date=20150830T123600Z",
            "X-Amz-Expires=60",
            "X-Amz-SignedHeaders=host",
        ]
    )
    payload = payload or sha256(body).hexdigest()
    canonical = f"POST\n/ListChannels\n{query}\nhost:h\n\nhost\n{payload}"
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", "20150830T123600Z", scope, sha256(canonical.encode()).hexdigest()]
    )
    key = b"AWS4" + SECRET.reveal().encode()
    for part in scope.split("/"):
        key = hmac_digest(key, part.encode(), "sha256")
    signature = hmac_digest(key, to_sign.encode(), "sha256").hex()
    return Request(
        method="POST",
        path="/ListChannels",
        query=f"{query}&X-Amz-Signature={signature}",
        headers=[("host", "h")],
        body=body,
    )


def test_accepts_what_botocore_presigns():
    signature = check(presigned())

    assert signature.credential.access_key_id == ACCESS_KEY
    assert signature.session_token is None


def test_the_session_token_is_a_parameter():
    assert check(presigned(token="a/token+=")).session_token.reveal() == "a/token+="


def test_the_body_of_a_presigned_post_is_signed_too():
    check(presigned_post(b'{"maxResults": 1}'))

    for altered in (
        replaced(presigned_post(b"{}"), body=b"[]"),
        presigned_post(b"{}", payload="UNSIGNED-PAYLOAD"),
    ):
        with pytest.raises(InvalidSignatureError, match="does not match"):
            check(altered)


TIMES = [
    # id,                    expires_s, seconds later, refused with
    ("at once",              60,        0,             None),
    ("in the last second",   60,        60,            None),
    ("a second later",       60,        61,            r"Signature expired: .*- 60 sec\.\)"),
    ("after five minutes",   3600,      301,           None),
    ("in the last of days",  604_800,   604_800,       None),
    ("after seven days",     604_800,   604_801,       "Signature expired"),
    ("five minutes early",   60,        -300,          None),
    ("a second earlier",     60,        -301,          "Signature not yet current"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expires_s", "later_s", "says"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES]
)
def test_is_good_for_as_long_as_it_says(expires_s, later_s, says):
    now_ms = NOW_MS + later_s * 1000
    if says is None:
        check(presigned(expires_s), now_ms=now_ms)
    else:
        with pytest.raises(InvalidSignatureError, match=says):
            check(presigned(expires_s), now_ms=now_ms)


def requeried(old, new, request=None):
    request = request or presigned()
    assert old in request.query
    return replaced(request, query=request.query.replace(old, new))


def unsigned_host():
    return requeried("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept")


REFUSED = [
    # id, request, error, says
    ("no credential",     requeried("X-Amz-Credential", "X-Amz-Cred"), IncompleteSignatureError, "must include 'X-Amz-Credential'"),
    ("no date",           requeried("X-Amz-Date", "X-Amz-Dat"), IncompleteSignatureError, "must include 'X-Amz-Date'"),
    ("no expiry",         requeried("X-Amz-Expires", "Expires"), IncompleteSignatureError, "must include 'X-Amz-Expires'"),
    ("no signed headers", requeried("X-Amz-SignedHeaders", "X"), IncompleteSignatureError, "must include 'X-Amz-SignedHeaders'"),
    ("no signature",      requeried("X-Amz-Signature", "X-Amz-Sig"), IncompleteSignatureError, "must include 'X-Amz-Signature'"),
    ("empty signature",   replaced(presigned(), query=presigned().query[:-64]), IncompleteSignatureError, "must include 'X-Amz-Signature'"),
    ("short signature",   replaced(presigned(), query=presigned().query[:-1]), IncompleteSignatureError, "64 lower-case"),
    ("algorithm",         requeried("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), IncompleteSignatureError, "must be AWS4-HMAC-SHA256"),
    ("expires at once",   requeried("Expires=3600", "Expires=0"), IncompleteSignatureError, "1 to 604800"),
    ("expires too late",  requeried("Expires=3600", "Expires=604801"), IncompleteSignatureError, "1 to 604800"),
    ("expires never",     requeried("Expires=3600", "Expires=never"), IncompleteSignatureError, "1 to 604800"),
    ("expires in digits of elsewhere", requeried("Expires=3600", "Expires=%D9%A3"), IncompleteSignatureError, "1 to 604800"),
    ("expiry altered",    requeried("Expires=3600", "Expires=7200"), InvalidSignatureError, "does not match"),
    ("odd date",          requeried("20150830T123600Z", "20150830"), IncompleteSignatureError, "basic format"),
    ("twice",             replaced(presigned(), query=presigned().query + "&X-Amz-Expires=9"), IncompleteSignatureError, "once each"),
    ("token twice",       replaced(presigned(token="t"), query=presigned(token="t").query + "&X-Amz-Security-Token=u"), IncompleteSignatureError, "once each"),
    ("token added",       replaced(presigned(), query=presigned().query + "&X-Amz-Security-Token=u"), InvalidSignatureError, "does not match"),
    ("token removed",     requeried("&X-Amz-Security-Token=t", "", presigned(token="t")), InvalidSignatureError, "does not match"),
    ("token in a header", with_header(presigned(), "x-amz-security-token", "t"), IncompleteSignatureError, "in the query"),
    ("unsigned x-amz-*",  with_header(presigned(), "x-amz-target", "t"), InvalidSignatureError, "'x-amz-target' must be"),
    ("host unsigned",     unsigned_host(), InvalidSignatureError, "'host' must be a 'SignedHeader'"),
    ("more in the query", replaced(presigned(), query=presigned().query + "&a=b"), InvalidSignatureError, "does not match"),
    ("a name that begins like the signature's", replaced(presigned(), query=presigned().query + "&X-Amz-Signature2=b"), InvalidSignatureError, "does not match"),
    ("in both places",    with_header(presigned(), "authorization", signed().header("authorization")), IncompleteSignatureError, "not in both"),
    ("another service",   presigned(service="s3"), InvalidSignatureError, "correct service: 'ivs'"),
    ("another method",    replaced(presigned(), method="DELETE"), InvalidSignatureError, "does not match"),
    ("a body",            replaced(presigned(), body=b"{}"), InvalidSignatureError, "does not match"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "error", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(request_, error, says):
    with pytest.raises(error, match=says):
        check(request_)


def test_a_value_that_looks_like_a_parameters_name_is_a_value():
    query = "tagKeys=X-Amz-Algorithm&tagKeys=X-Amz-Signature"
    request = signed(method="DELETE", path="/tags/x", query=query, at=NOW + timedelta(seconds=1))

    assert check(request).signed_query == query

"""Requests as botocore signs them, and ways to alter them."""

from datetime import UTC, datetime
from unittest import mock
from urllib.parse import unquote, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headwater.auth.sigv4 import parse, verify
from headwater.core.http import Request
from headwater.core.secret import Secret

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
TAG_ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"


def signed(
    *,
    signer=botocore.auth.SigV4Auth,
    method="POST",
    path="/CreateChannel",
    query="",
    headers=(),
    body=b"{}",
    region="eu-west-1",
    service="ivs",
    at=NOW,
    secret=SECRET,
    token=None,
):
    """What botocore's signer sends, as the HTTP server hands it to us.

    `path` is as on the request line, percent-encoded.
    """
    url = f"http://127.0.0.1:8080{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    credentials = Credentials(ACCESS_KEY, secret.reveal(), token)
    naive = at.replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=naive):
        signer(credentials, service, region).add_auth(request)
    parts = urlsplit(request.url)
    sent = [(name.lower(), value) for name, value in request.headers.items()]
    return Request(
        method=method,
        path=unquote(parts.path),
        query=parts.query,
        headers=[("host", "127.0.0.1:8080"), *sent],
        body=request.body or b"",
    )


def replaced(request, **changes):
    fields = {name: getattr(request, name) for name in Request.__struct_fields__}
    return Request(**{**fields, **changes})


def with_header(request, name, value):
    """The request with one header changed, added, or (None) removed."""
    kept = [(key, old) for key, old in request.headers if key != name]
    return replaced(request, headers=kept if value is None else [*kept, (name, value)])


def check(request, *, now_ms=NOW_MS, secret=SECRET):
    signature = parse(request, now_ms=now_ms)
    verify(signature, request, secret)
    return signature

"""Viewers: tokens that they bring, and what they are answered."""

import http.client
import json
import time
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Key:
    """A key pair, and tokens by it."""

    def __init__(self, curve=None):
        self.private = ec.generate_private_key(curve or ec.SECP384R1())

    @property
    def pem(self):
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, arn, /, *, algorithm="ES384", lasts_s=60, headers=None, **claims):
        named = {f"aws:{name.replace('_', '-')}": value for name, value in claims.items()}
        payload = {"aws:channel-arn": arn, "exp": int(time.time()) + lasts_s} | named
        return jwt.encode(payload, self.private, algorithm=algorithm, headers=headers)


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.allow_origin = response.getheader("access-control-allow-origin")
        self.vary = response.getheader("vary", "")

    @property
    def error(self):
        """The one object of an error's body."""
        (error,) = json.loads(self.body)
        assert error["type"] == "error"
        return error

    @property
    def urls(self):
        """What a playlist names."""
        return [line for line in self.body.decode().splitlines() if line and line[0] != "#"]


def fetch(url, *, origin=None, method="GET", headers=None):
    """The answer to a viewer's request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        sent = (headers or {}) | ({"Origin": origin} if origin else {})
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def with_token(private, token):
    return f"{private['playbackUrl']}?token={token}"

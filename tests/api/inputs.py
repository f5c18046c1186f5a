"""Inputs of operations, right and wrong in every way, made from botocore's model."""

import json
import re
from functools import cache
from urllib.parse import quote, urlencode

import botocore.session
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MODEL = botocore.session.Session().get_service_model("ivs")
ARN = re.compile(r"arn:aws:(?P<service>[a-z]+):\[a-z0-9-\]\+:\[0-9\]\+:(?P<type>[^/]+)/")
MEDIA_TAILOR = "arn:aws:mediatailor:eu-west-1:123456789012:playbackConfiguration/a"
TYPE_OF_ANY = {"[a-z-]": "channel"}  # the pattern of the tag operations' ARNs
WRONG_TYPES = {
    "string": 1, "integer": "1", "long": "1", "boolean": "true", "list": {}, "map": [],
    "structure": [], "timestamp": 1,
}  # fmt: skip
KINDS = {
    "string": "a string", "integer": "an integer", "long": "an integer", "list": "a list",
    "boolean": "true or false", "map": "an object", "structure": "an object",
    "timestamp": "an ISO 8601 time",
}  # fmt: skip


@cache
def public_key():
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def special():
    """Values that the model's bounds are not enough to make."""
    return {
        "PlaybackPublicKeyMaterial": public_key(),
        "PlaybackRestrictionPolicyAllowedCountry": "CH",
        "PlaybackRestrictionPolicyAllowedOrigin": "https://example.com",
        "StreamId": "st-" + "a" * 23,
        "MediaTailorPlaybackConfiguration": {"playbackConfigurationArn": MEDIA_TAILOR},
        "DestinationConfiguration": {"s3": {"bucketName": "bucket"}},
    }


def valid(shape):
    """The smallest valid value of a shape."""
    if shape.name in special():
        return special()[shape.name]
    return VALID[shape.type_name](shape)


def least(shape):
    """The smallest valid value of a structure."""
    return {name: valid(shape.members[name]) for name in shape.required_members}


def _valid_string(shape):
    if arn := ARN.search(shape.metadata.get("pattern", "")):
        type_ = TYPE_OF_ANY.get(arn["type"], arn["type"])
        return f"arn:aws:{arn['service']}:eu-west-1:123456789012:{type_}/abcdABCDefgh"
    return shape.enum[0] if shape.enum else "a" * max(1, shape.metadata.get("min", 1))


def _low(shape):
    return shape.metadata.get("min", 1)


VALID = {
    "string": _valid_string,
    "integer": _low,
    "long": _low,
    "boolean": lambda _: True,
    "timestamp": lambda _: "2030-01-01T00:00:00Z",
    "list": lambda shape: [valid(shape.member)] * max(1, _low(shape)),
    "map": lambda shape: {valid(shape.key): valid(shape.value)},
    "structure": least,
}


def kind_of(shape):
    """How a refusal names what is allowed."""
    return "one of" if getattr(shape, "enum", None) else KINDS[shape.type_name]


def wrong_scalars(shape):
    """(what, value) for each way a value of the shape can be wrong."""
    yield "wrong type", WRONG_TYPES[shape.type_name]
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    yield from WRONG.get(shape.type_name, lambda *_: ())(shape, low, high)


def _wrong_strings(shape, low, high):
    if low:
        yield "too short", ""
    if high:
        yield "too long", valid(shape) + "a" * high
    if "pattern" in shape.metadata:
        yield "bad pattern", "a b!"
        yield "newline behind", valid(shape) + "\n"
    if shape.enum:
        yield "bad enum", "NOPE"
        yield "lower-case enum", shape.enum[0].lower()


def _wrong_numbers(_, low, high):
    yield "fraction", (low or 0) + 0.5
    yield "too big for 64 bits", 2**70
    if low is not None:
        yield "too low", low - 1
    if high is not None:
        yield "too high", high + 1


def _wrong_lists(shape, low, high):
    if low:
        yield "too short", []
    if high:
        yield "too long", valid(shape) * (high + 1)


def _wrong_maps(_, __, high):
    yield "too long", {f"key{number}": "" for number in range(high + 1)}


def _wrong_times(*_):
    yield "no time", "yesterday"
    yield "no zone", "2030-01-01T00:00:00"


WRONG = {
    "string": _wrong_strings,
    "integer": _wrong_numbers,
    "long": _wrong_numbers,
    "list": _wrong_lists,
    "map": _wrong_maps,
    "timestamp": _wrong_times,
}


def wrong_values(shape, path):
    """(named path, its kind, what is wrong, value) for the shape and everything below it."""
    below = {"list": _wrong_items, "map": _wrong_entries, "structure": _wrong_members}
    yield from ((path, kind_of(shape), what, value) for what, value in wrong_scalars(shape))
    if shape.type_name in below:
        yield from below[shape.type_name](shape, path)


def _wrong_items(shape, path):
    good = valid(shape)
    yield f"{path}[{len(good)}]", kind_of(shape.member), "null", [*good, None]
    for below, kind, what, value in wrong_values(shape.member, f"{path}[{len(good)}]"):
        yield below, kind, what, [*good, value]


def _wrong_entries(shape, path):
    for what, value in wrong_scalars(shape.value):
        yield f"{path}: each value", kind_of(shape.value), what, {"key": value}
    for what, value in wrong_scalars(shape.key):
        if isinstance(value, str):
            yield f"{path}: each key", kind_of(shape.key), what, {value: ""}


def _wrong_members(shape, path):
    for name, member in shape.members.items():
        for below, kind, what, value in wrong_values(member, f"{path}.{name}"):
            yield below, kind, what, valid(shape) | {name: value}


def located(operation, where):
    """The request's members that are in that place; None is the body."""
    members = MODEL.operation_model(operation).input_shape.members
    return {
        name: member
        for name, member in members.items()
        if member.serialization.get("location") == where
    }


def request_of(operation, members):
    """(method, path, query, body) of a request with these members, path and query encoded."""
    http = MODEL.operation_model(operation).http
    path = http["requestUri"]
    for name in located(operation, "uri"):
        path = path.replace(f"{{{name}}}", quote(str(members.get(name, "")), safe=""))
    query = urlencode(
        [
            (name, value)
            for name in located(operation, "querystring")
            for value in members.get(name, [])
        ],
        quote_via=quote,
    )
    in_body = located(operation, None)
    body = {name: value for name, value in members.items() if name in in_body}
    return http["method"], path, query, json.dumps(body).encode() if in_body else b""

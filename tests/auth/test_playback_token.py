"""Tokens made by PyJWT and by hand, and what attackers make of them."""

import base64
import contextlib
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.playback_token import (
    MAX_TOKEN_CHARS,
    PlaybackToken,
    SignedToken,
    refuse_signature,
    verify,
)
from headwater.core.errors import LimitError, PeerError

NOW_S = 1_750_000_000
NOW_MS = NOW_S * 1000
ARN = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
UUID = "00000000-1111-2222-3333-44445555aaff"
CLAIMS = {"aws:channel-arn": ARN, "exp": NOW_S + 60}
PRIVATE = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
SIGNATURE = "the token's signature is by no playback key of this account and region, or the token was altered"
PARTS = "a token is three parts in base64url, joined by dots; this has "
BASE64 = "a token's three parts are in base64url, and none is empty"


def der(private):
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


KEY = der(PRIVATE)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(private, message, algorithm, size):
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(algorithm)))
    return r.to_bytes(size) + s.to_bytes(size)


def signed(claims, private=PRIVATE, **header):
    """A token whose parts are whatever they are given as."""
    head = header if "alg" in header else {"alg": "ES384", "typ": "JWT"} | header
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{encoded(json.dumps(head).encode())}.{encoded(payload)}"
    return f"{message}.{encoded(raw_signature(private, message.encode(), hashes.SHA384(), 48))}"


def hmac_signed(secret, alg, digest):
    message = f"{encoded(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{encoded(json.dumps(CLAIMS).encode())}"
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), digest))}"


ES384 = f"{encoded(json.dumps({'alg': 'ES384'}).encode())}.{encoded(json.dumps(CLAIMS).encode())}"


def with_header(header):
    """A good token's other parts, under this header."""
    _, payload, signature = TOKEN.split(".")
    return f"{encoded(header)}.{payload}.{signature}"


def es256():
    private = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(CLAIMS, private, algorithm="ES256")


def on_another_curve():
    """Labelled ES384, signed on P-256."""
    private = ec.generate_private_key(ec.SECP256R1())
    return f"{ES384}.{encoded(raw_signature(private, ES384.encode(), hashes.SHA384(), 32))}"


def opened(text, *keys, arn=ARN, now_ms=NOW_MS):
    return verify(text, keys or (KEY,), channel_arn=arn, now_ms=now_ms)


def refusal(text, *keys, arn=ARN, now_ms=NOW_MS):
    with pytest.raises(PeerError) as caught:
        opened(text, *keys, arn=arn, now_ms=now_ms)
    said = str(caught.value)
    assert not any(len(part) > 8 and part in said for part in text.split("."))
    return said


TOKEN = signed(CLAIMS)
HEADER, PAYLOAD, SIGNED = TOKEN.split(".")


def test_a_token_by_pyjwt_opens():
    text = jwt.encode(CLAIMS, PRIVATE, algorithm="ES384")
    assert opened(text) == PlaybackToken(expires_at_s=NOW_S + 60)


@pytest.mark.parametrize("key", range(3))
def test_every_key_of_the_account_is_tried(key):
    privates = [ec.generate_private_key(ec.SECP384R1()) for _ in range(3)]
    assert opened(signed(CLAIMS, privates[key]), *map(der, privates))


IGNORED = [
    ("no typ",           {"alg": "ES384"}),
    ("typ in lower case", {"typ": "jwt"}),
    ("kid",              {"kid": "abc"}),
    ("jwk",              {"jwk": {"kty": "EC", "crv": "P-384"}}),
    ("jku",              {"jku": "https://evil.example/keys"}),
    ("x5u",              {"x5u": "https://evil.example/chain.pem"}),
    ("x5c",              {"x5c": ["AAAA"]}),
    ("unknown",          {"cty": "JWT", "x": [1]}),
]  # fmt: skip


@pytest.mark.parametrize("header", [row[1] for row in IGNORED], ids=[row[0] for row in IGNORED])
def test_what_a_header_says_beside_the_algorithm_changes_nothing(header):
    assert opened(signed(CLAIMS, **header))
    assert refusal(signed(CLAIMS, OTHER, **header)) == SIGNATURE


def test_a_key_that_the_header_brings_along_is_not_used():
    numbers = OTHER.public_key().public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-384",
        "x": encoded(numbers.x.to_bytes(48)),
        "y": encoded(numbers.y.to_bytes(48)),
    }
    assert refusal(signed(CLAIMS, OTHER, jwk=jwk)) == SIGNATURE


NONE = f"{encoded(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{PAYLOAD}."
FORGED = [
    ("alg none, no signature",      NONE, BASE64),
    ("alg none",                    signed(CLAIMS, alg="none", typ="JWT"), "the token's alg must be ES384"),
    ("alg None",                    signed(CLAIMS, alg="None"), "the token's alg must be ES384"),
    ("alg null",                    signed(CLAIMS, alg=None), "the token's alg must be ES384"),
    ("alg a list",                  signed(CLAIMS, alg=["ES384"]), "the token's alg must be ES384"),
    ("alg in lower case",           signed(CLAIMS, alg="es384"), "the token's alg must be ES384"),
    ("no alg",                      with_header(b'{"typ":"JWT"}'), "the token's alg must be ES384"),
    ("HS384 by the public PEM",     hmac_signed(PUBLIC_PEM, "HS384", hashlib.sha384), "the token's alg must be ES384"),
    ("HS384 by the public DER",     hmac_signed(KEY, "HS384", hashlib.sha384), "the token's alg must be ES384"),
    ("HS256",                       hmac_signed(b"x" * 32, "HS256", hashlib.sha256), "the token's alg must be ES384"),
    ("HMAC labelled ES384",         hmac_signed(KEY, "ES384", hashlib.sha384), SIGNATURE),
    ("ES256",                       es256(), "the token's alg must be ES384"),
    ("RS384",                       jwt.encode(CLAIMS, rsa.generate_private_key(65537, 2048), algorithm="RS384"), "the token's alg must be ES384"),
    ("another curve",               on_another_curve(), SIGNATURE),
    ("another account's key",       signed(CLAIMS, OTHER), SIGNATURE),
    ("signature of zeros",          f"{HEADER}.{PAYLOAD}.{encoded(bytes(96))}", SIGNATURE),
    ("signature too short",         f"{HEADER}.{PAYLOAD}.{SIGNED[:-4]}", SIGNATURE),
    ("signature too long",          f"{HEADER}.{PAYLOAD}.{SIGNED}AAAA", SIGNATURE),
    ("signature in DER",            f"{HEADER}.{PAYLOAD}.{encoded(PRIVATE.sign(f'{HEADER}.{PAYLOAD}'.encode(), ec.ECDSA(hashes.SHA384())))}", SIGNATURE),
    ("other claims",                f"{HEADER}.{encoded(json.dumps(CLAIMS | {'exp': NOW_S + 61}).encode())}.{SIGNED}", SIGNATURE),
    ("typ of an access token",      signed(CLAIMS, typ="at+jwt"), "the token's typ must be JWT"),
    ("typ a number",                signed(CLAIMS, typ=1), "the token's typ must be JWT"),
    ("kid a number",                signed(CLAIMS, kid=7), "the token's kid must be a text"),
    ("crit",                        signed(CLAIMS, crit=["exp"]), "the token's header must not have crit or b64"),
    ("crit, empty",                 signed(CLAIMS, crit=[]), "the token's header must not have crit or b64"),
    ("b64",                         signed(CLAIMS, b64=False), "the token's header must not have crit or b64"),
    ("nothing",                     "", f"{PARTS}1"),
    ("one segment",                 HEADER, f"{PARTS}1"),
    ("two segments",                f"{HEADER}.{PAYLOAD}", f"{PARTS}2"),
    ("four segments",               f"{TOKEN}.{SIGNED}", f"{PARTS}4"),
    ("a segment twice",             f"{HEADER}.{PAYLOAD}.{PAYLOAD}.{SIGNED}", f"{PARTS}4"),
    ("five, as if encrypted",       f"{TOKEN}.{PAYLOAD}.{SIGNED}", f"{PARTS}5"),
    ("no header",                   f".{PAYLOAD}.{SIGNED}", BASE64),
    ("no payload",                  f"{HEADER}..{SIGNED}", BASE64),
    ("no signature",                f"{HEADER}.{PAYLOAD}.", BASE64),
    ("dots",                        "..", BASE64),
    ("padded",                      f"{HEADER}.{PAYLOAD}.{SIGNED}=", BASE64),
    ("plain base64",                f"{HEADER}.{PAYLOAD}.+{SIGNED[1:]}", BASE64),
    ("space",                       f"{HEADER}.{PAYLOAD}. {SIGNED}", BASE64),
    ("line break at the end",       f"{TOKEN}\n", BASE64),
    ("beyond ASCII",                f"{HEADER}.{PAYLOAD}.ü{SIGNED}", BASE64),
    ("header not JSON",             with_header(b"ES384"), "the token's header must be a JSON object"),
    ("header a list",               with_header(b'["ES384"]'), "the token's header must be a JSON object"),
    ("header not UTF-8",            with_header(b'{"alg":"\xff"}'), "the token's header must be a JSON object"),
    ("header of impossible base64", f"{HEADER}A.{PAYLOAD}.{SIGNED}" if len(HEADER) % 4 == 0 else f"A.{PAYLOAD}.{SIGNED}", "the token's header must be a JSON object"),
    ("header nested deep",          with_header(b'{"a":' * 200 + b"1" + b"}" * 200), "the token's alg must be ES384"),
    ("payload not JSON",            signed(b"hello"), "the token's payload must be a JSON object"),
    ("payload a list",              signed([CLAIMS]), "the token's payload must be a JSON object"),
    ("payload nested deeper",       signed(b"[" * 1000), "the token's payload must be a JSON object"),
    ("payload cut",                 signed(json.dumps(CLAIMS).encode()[:-1]), "the token's payload must be a JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED]
)
def test_a_forged_token_is_refused(text, says):
    assert refusal(text) == says


EXP = "exp must be a time as an integer of Unix seconds"
ORIGIN = (
    "aws:access-control-allow-origin must be *, or origins separated by commas, such as "
    "https://example.com, https://example.com:8443 or https://*.example.com"
)
SOON = (
    "exp must be at most 600 seconds ahead in a token with {}; it is in seconds, not milliseconds"
)
VIEWER = "aws:viewer-id must have 1 to 40 characters"
WRONG = [
    ("another channel",      {"aws:channel-arn": ARN[:-1] + "x"}, "aws:channel-arn must be the ARN of this channel"),
    ("another region",       {"aws:channel-arn": ARN.replace("eu-west-1", "us-east-1")}, "aws:channel-arn must be the ARN of this channel"),
    ("another account",      {"aws:channel-arn": ARN.replace("1234", "4321")}, "aws:channel-arn must be the ARN of this channel"),
    ("a pattern",            {"aws:channel-arn": "arn:aws:ivs:*:*:channel/*"}, "aws:channel-arn must be the ARN of this channel"),
    ("ARN in a list",        {"aws:channel-arn": [ARN]}, "aws:channel-arn must be a text"),
    ("ARN null",             {"aws:channel-arn": None}, "aws:channel-arn must be a text"),
    ("no ARN",               {"aws:channel-arn": ...}, "aws:channel-arn must be a text"),
    ("no exp",               {"exp": ...}, EXP),
    ("exp null",             {"exp": None}, EXP),
    ("exp a text",           {"exp": str(NOW_S + 60)}, EXP),
    ("exp a float",          {"exp": NOW_S + 60.5}, EXP),
    ("exp a whole float",    {"exp": NOW_S + 60.0}, EXP),
    ("exp true",             {"exp": True}, EXP),
    ("exp zero",             {"exp": 0}, EXP),
    ("exp negative",         {"exp": -NOW_S}, EXP),
    ("exp huge",             {"exp": 10**30}, EXP),
    ("exp beyond 64 bits",   {"exp": 2**63}, EXP),
    ("exp a list",           {"exp": [NOW_S + 60]}, EXP),
    ("expired now",          {"exp": NOW_S}, "exp: the token has expired"),
    ("expired long ago",     {"exp": 1}, "exp: the token has expired"),
    ("nbf ahead",            {"nbf": NOW_S + 30}, "nbf: the token is not valid yet"),
    ("nbf huge",             {"nbf": 10**400}, "nbf: the token is not valid yet"),
    ("nbf a text",           {"nbf": "now"}, "nbf must be a number of Unix seconds"),
    ("nbf true",             {"nbf": True}, "nbf must be a number of Unix seconds"),
    ("origin empty",         {"aws:access-control-allow-origin": ""}, ORIGIN),
    ("origin a host",        {"aws:access-control-allow-origin": "example.com"}, ORIGIN),
    ("origin with a path",   {"aws:access-control-allow-origin": "https://example.com/"}, ORIGIN),
    ("one of two",           {"aws:access-control-allow-origin": "https://a.com,b.com"}, ORIGIN),
    ("origins in a list",    {"aws:access-control-allow-origin": ["https://a.com"]}, "aws:access-control-allow-origin must be a text"),
    ("origin null",          {"aws:access-control-allow-origin": None}, "aws:access-control-allow-origin must be a text"),
    ("strict a text",        {"aws:strict-origin-enforcement": "true"}, "aws:strict-origin-enforcement must be true or false"),
    ("strict 1",             {"aws:strict-origin-enforcement": 1}, "aws:strict-origin-enforcement must be true or false"),
    ("strict null",          {"aws:strict-origin-enforcement": None}, "aws:strict-origin-enforcement must be true or false"),
    ("six strict origins",   {"aws:strict-origin-enforcement": True, "aws:access-control-allow-origin": ",".join(f"https://{n}.com" for n in range(6))}, "aws:access-control-allow-origin must have at most 5 origins with aws:strict-origin-enforcement"),
    ("uuid no text",         {"aws:single-use-uuid": 7}, "aws:single-use-uuid must be a text"),
    ("uuid empty",           {"aws:single-use-uuid": ""}, "aws:single-use-uuid must be a UUID of 32 hexadecimal digits and 4 hyphens"),
    ("uuid without hyphens", {"aws:single-use-uuid": UUID.replace("-", "")}, "aws:single-use-uuid must be a UUID of 32 hexadecimal digits and 4 hyphens"),
    ("uuid in braces",       {"aws:single-use-uuid": f"{{{UUID}}}"}, "aws:single-use-uuid must be a UUID of 32 hexadecimal digits and 4 hyphens"),
    ("uuid too long",        {"aws:single-use-uuid": UUID + "0"}, "aws:single-use-uuid must be a UUID of 32 hexadecimal digits and 4 hyphens"),
    ("once, for too long",   {"aws:single-use-uuid": UUID, "exp": NOW_S + 611}, SOON.format("aws:single-use-uuid")),
    ("viewer a number",      {"aws:viewer-id": 7}, "aws:viewer-id must be a text"),
    ("viewer null",          {"aws:viewer-id": None}, "aws:viewer-id must be a text"),
    ("viewer empty",         {"aws:viewer-id": ""}, VIEWER),
    ("viewer too long",      {"aws:viewer-id": "v" * 41}, VIEWER),
    ("viewer with NUL",      {"aws:viewer-id": "a\0b"}, VIEWER),
    ("viewer for too long",  {"aws:viewer-id": "v", "exp": NOW_S + 611}, SOON.format("aws:viewer-id")),
    ("exp in milliseconds",  {"aws:viewer-id": "v", "exp": NOW_MS + 60_000}, SOON.format("aws:viewer-id")),
    ("version a text",       {"aws:viewer-id": "v", "aws:viewer-session-version": "1"}, "aws:viewer-session-version must be an integer of 64 bits"),
    ("version a float",      {"aws:viewer-id": "v", "aws:viewer-session-version": 1.0}, "aws:viewer-session-version must be an integer of 64 bits"),
    ("version true",         {"aws:viewer-id": "v", "aws:viewer-session-version": True}, "aws:viewer-session-version must be an integer of 64 bits"),
    ("version too large",    {"aws:viewer-id": "v", "aws:viewer-session-version": 2**63}, "aws:viewer-session-version must be an integer of 64 bits"),
    ("version alone, wrong", {"aws:viewer-session-version": "x"}, "aws:viewer-session-version must be an integer of 64 bits"),
    ("resolution a number",  {"aws:maximum-resolution": 720}, "aws:maximum-resolution must be a text"),
    ("resolution unknown",   {"aws:maximum-resolution": "UHD"}, "aws:maximum-resolution must be one of SD, HD, FULL_HD"),
    ("resolution in lower case", {"aws:maximum-resolution": "hd"}, "aws:maximum-resolution must be one of SD, HD, FULL_HD"),
    ("opt-out a text",       {"aws:ads-opt-out": "true"}, "aws:ads-opt-out must be true or false"),
    ("ads of a number",      {"aws:ads-playback-config-name": 1}, "aws:ads-playback-config-name must be a text"),
    ("ads reporting",        {"aws:ads-reporting-mode": "BOTH"}, "aws:ads-reporting-mode must be one of CLIENT, SERVER"),
    ("ads reporting a list", {"aws:ads-reporting-mode": []}, "aws:ads-reporting-mode must be a text"),
    ("ads parameters a text", {"aws:ads-player-params": "a=b"}, "aws:ads-player-params must be an object of texts"),
    ("ads parameters nested", {"aws:ads-player-params": {"a": {}}}, "aws:ads-player-params must be an object of texts"),
    ("ads parameters large", {"aws:ads-player-params": {"a": "x" * 1000}}, "aws:ads-player-params must have at most 1000 bytes"),
]  # fmt: skip


def changed(changes):
    claims = CLAIMS | changes
    return {name: value for name, value in claims.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_claim_is_refused_by_name_with_what_is_allowed(changes, says):
    assert refusal(signed(changed(changes))) == says


RIGHT = [
    ("origins",        {"aws:access-control-allow-origin": "https://a.com, https://*.b.com"}, {"origins": ("https://a.com", "https://*.b.com")}),
    ("any origin",     {"aws:access-control-allow-origin": "*"}, {"origins": ("*",)}),
    ("many origins",   {"aws:access-control-allow-origin": ",".join(f"https://{n}.com" for n in range(50))}, {"origins": tuple(f"https://{n}.com" for n in range(50))}),
    ("five strict",    {"aws:strict-origin-enforcement": True, "aws:access-control-allow-origin": ",".join(f"https://{n}.com" for n in range(5))}, {"strict": True, "origins": tuple(f"https://{n}.com" for n in range(5))}),
    ("not strict",     {"aws:strict-origin-enforcement": False}, {}),
    ("strict alone",   {"aws:strict-origin-enforcement": True}, {"strict": True}),
    ("single use",     {"aws:single-use-uuid": UUID}, {"single_use_uuid": UUID}),
    ("UUID in capitals", {"aws:single-use-uuid": UUID.upper()}, {"single_use_uuid": UUID}),
    ("once, ten minutes", {"aws:single-use-uuid": UUID, "exp": NOW_S + 600}, {"single_use_uuid": UUID, "expires_at_s": NOW_S + 600}),
    ("a fast clock's ten minutes", {"aws:viewer-id": "v", "exp": NOW_S + 609}, {"viewer_id": "v", "expires_at_s": NOW_S + 609}),
    ("viewer",         {"aws:viewer-id": "v"}, {"viewer_id": "v"}),
    ("longest viewer", {"aws:viewer-id": "ü" * 40}, {"viewer_id": "ü" * 40}),
    ("version",        {"aws:viewer-id": "v", "aws:viewer-session-version": 2**63 - 1}, {"viewer_id": "v", "version": 2**63 - 1}),
    ("version below zero", {"aws:viewer-id": "v", "aws:viewer-session-version": -1}, {"viewer_id": "v", "version": -1}),
    ("version alone",  {"aws:viewer-session-version": 7}, {"version": 7}),
    ("SD",             {"aws:maximum-resolution": "SD"}, {"max_edge": 480}),
    ("HD",             {"aws:maximum-resolution": "HD"}, {"max_edge": 720}),
    ("FULL_HD",        {"aws:maximum-resolution": "FULL_HD"}, {"max_edge": 1080}),
    ("milliseconds, as in AWS's example", {"exp": NOW_MS + 60_000}, {"expires_at_s": NOW_MS + 60_000}),
    ("last second",    {"exp": NOW_S + 1}, {"expires_at_s": NOW_S + 1}),
    ("latest",         {"exp": 2**63 - 1}, {"expires_at_s": 2**63 - 1}),
    ("nbf now",        {"nbf": NOW_S + 9.5, "iat": NOW_S + 9}, {}),
    ("iat ahead",      {"iat": NOW_S + 3600}, {}),
    ("ads",            {"aws:ads-opt-out": True, "aws:ads-playback-config-name": "a", "aws:ads-reporting-mode": "SERVER", "aws:ads-player-params": {"a": "b"}}, {}),
    ("unknown claims", {"sub": 1, "aud": "x", "iss": ["y"], "aws:unknown": None}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "allowed"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT]
)
def test_every_claim_is_read(changes, allowed):
    expected = {"expires_at_s": NOW_S + 60} | allowed
    assert opened(signed(CLAIMS | changes)) == PlaybackToken(**expected)


def test_a_token_of_two_kilobytes_is_read_and_a_longer_one_is_not():
    def of_length(size):
        return signed(CLAIMS | {"x": "y" * size})

    texts = (of_length(size) for size in range(1000, 1600))
    longest = next(text for text in texts if len(text) > MAX_TOKEN_CHARS - 3)
    assert opened(longest)
    for text in (of_length(1600), "x" * 10_000_000):
        with pytest.raises(LimitError) as caught:
            opened(text)
        assert str(caught.value) == "a token has at most 2048 characters"


def test_a_token_for_another_channel_is_refused_there():
    assert refusal(TOKEN, arn=ARN + "x") == "aws:channel-arn must be the ARN of this channel"


def test_without_keys_no_token_opens():
    with pytest.raises(PeerError) as caught:
        verify(TOKEN, [], channel_arn=ARN, now_ms=NOW_MS)
    assert str(caught.value) == SIGNATURE
    with pytest.raises(PeerError):
        refuse_signature()


def test_claims_cannot_be_read_before_the_signature():
    token = SignedToken(signed(CLAIMS, OTHER))
    assert not token.is_signed_by(KEY)
    with pytest.raises(RuntimeError):
        token.claims(channel_arn=ARN, now_ms=NOW_MS)


def test_a_token_is_not_in_its_repr():
    assert SIGNED not in repr(SignedToken(TOKEN))
    assert SIGNED not in repr(SignedToken(TOKEN).__dict__)


@settings(max_examples=300)
@given(st.integers(0, len(TOKEN) - 1), st.integers(0, 6))
def test_a_token_altered_by_one_bit_is_refused(place, bit):
    text = TOKEN[:place] + chr(ord(TOKEN[place]) ^ 1 << bit) + TOKEN[place + 1 :]
    refusal(text)


@given(st.text(max_size=100) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
def test_any_text_is_refused_and_nothing_else_goes_wrong(text):
    with pytest.raises(PeerError):
        opened(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
names = st.sampled_from(sorted({name for row in WRONG for name in row[1]} | {"iat"}))


@given(st.dictionaries(names, json_values, min_size=1, max_size=3))
def test_any_claims_are_read_or_refused_and_nothing_else_goes_wrong(changes):
    with contextlib.suppress(PeerError):
        assert opened(signed(CLAIMS | changes)).expires_at_s > NOW_S

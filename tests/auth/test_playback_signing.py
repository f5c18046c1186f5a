import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from headwater.auth.playback_keys import parse_public_key
from headwater.auth.playback_signing import new_key_pair, sign
from headwater.auth.playback_token import verify
from headwater.core.errors import PeerError
from headwater.core.secret import Secret

NOW_S = 1_750_000_000
ARN = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
CLAIMS = {"aws:channel-arn": ARN, "exp": NOW_S + 60}
WANTED = "must be the PEM of a private key on the curve P-384 (secp384r1)"


def pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


P384 = ec.generate_private_key(ec.SECP384R1())


def test_a_new_pair_signs_what_its_public_half_verifies():
    private, public = new_key_pair()
    token = sign(CLAIMS, private, now_ms=NOW_S * 1000)

    key = parse_public_key(public).der
    found = verify(token, [key], channel_arn=ARN, now_ms=NOW_S * 1000)
    assert found.expires_at_s == NOW_S + 60
    assert "PRIVATE" not in repr(private)
    assert new_key_pair()[1] != public


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_both_forms_of_pem_are_taken(form):
    assert sign(CLAIMS, Secret(pem(P384, form)), now_ms=NOW_S * 1000)


REFUSED = [
    ("no PEM",       "hello", WANTED),
    ("empty",        "", WANTED),
    ("damaged",      pem(P384).replace("M", "N"), WANTED),
    ("public",       new_key_pair()[1], WANTED),
    ("P-256",        pem(ec.generate_private_key(ec.SECP256R1())), f"{WANTED}, not another key"),
    ("RSA",          pem(rsa.generate_private_key(65537, 2048)), f"{WANTED}, not another key"),
    ("with a password", pem(P384, encryption=BestAvailableEncryption(b"x")), f"{WANTED}, without a password"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_another_key_is_refused_and_not_repeated(key, says):
    with pytest.raises(PeerError) as caught:
        sign(CLAIMS, Secret(key), now_ms=NOW_S * 1000)
    assert str(caught.value) == says


def test_claims_that_no_server_would_take_are_not_signed():
    with pytest.raises(PeerError, match="exp: the token has expired"):
        sign(CLAIMS, Secret(pem(P384)), now_ms=(NOW_S + 61) * 1000)
    with pytest.raises(PeerError, match="aws:channel-arn must be a text"):
        sign({"exp": NOW_S + 60}, Secret(pem(P384)), now_ms=NOW_S * 1000)

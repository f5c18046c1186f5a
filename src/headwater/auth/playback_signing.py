"""Making playback tokens, and the key pairs that sign them: what a web site's own server does.

Source: IVS user guide, "Create or Import an IVS Playback Key" and "Generate and Sign Playback
Tokens"; RFC 7515 (JWS), RFC 7518 §3.4 (ES384).
"""

from collections.abc import Mapping
from typing import Any

from headwater.auth import playback_token
from headwater.auth.playback_keys import parse_public_key
from headwater.core.errors import PeerError
from headwater.core.secret import Secret


def new_key_pair() -> tuple[Secret, str]:
    """A new pair: the PEM (PKCS #8) of the private key, and that of the public one."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Secret(private.decode()), _public_pem(key.public_key())


def sign(claims: Mapping[str, Any], private_key: Secret, *, now_ms: int) -> str:
    """A token with these claims, which this server would accept at that time (Unix ms).

    Args:
        claims: as IVS names them; `aws:channel-arn` and `exp` must be among them.
        private_key: PEM of a private key on P-384, without a password.
        now_ms: the time, by which claims are checked.

    Raises:
        PeerError: it is no such key, or a claim is wrong; the text never repeats the key.
    """
    import jwt  # noqa: PLC0415 - as above
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    wanted = "must be the PEM of a private key on the curve P-384 (secp384r1)"
    try:
        key = load_pem_private_key(private_key.reveal().encode(), password=None)
    except TypeError:
        raise PeerError(f"{wanted}, without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PeerError(wanted) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise PeerError(f"{wanted}, not another key")
    token = jwt.encode(dict(claims), key, algorithm=playback_token.ALGORITHM)
    public = parse_public_key(_public_pem(key.public_key()))
    arn = claims.get(playback_token.CHANNEL_ARN, "")
    playback_token.verify(token, [public.der], channel_arn=arn, now_ms=now_ms)
    return token


def _public_pem(key: Any) -> str:  # noqa: ANN401 - a type of a module that is slow to import
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    pem: bytes = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()

"""`headwater token`: playback tokens for private channels, and the keys that sign them.

They need no server: it knows the public key only, which ImportPlaybackKeyPair gives it.
"""

import json
import os
import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from headwater.auth import playback_signing, playback_token
from headwater.cli.text import out
from headwater.cli.values import seconds_of, text_of
from headwater.core.arn import parse_arn
from headwater.core.errors import OperatorError, PeerError
from headwater.core.secret import Secret

token_app = typer.Typer(
    name="token",
    help="Make playback tokens for private channels, and the keys that sign them.",
    no_args_is_help=True,
    add_completion=False,
)

PrivateKey = Annotated[
    str, typer.Option(metavar="FILE", help="PEM of a private key on P-384; - reads it from input.")
]
Channel = Annotated[str, typer.Option(metavar="ARN", help="The channel that it opens.")]
ExpiresIn = Annotated[
    str, typer.Option(help="How long playback may be begun with it: a number and s, m, h or d.")
]
Origins = Annotated[
    list[str] | None,
    typer.Option(help="Only for its pages, e.g. https://*.example.com; may be repeated."),
]
StrictOrigins = Annotated[
    bool, typer.Option("--strict-origins", help="Check the origin of every request.")
]
SingleUse = Annotated[
    bool, typer.Option("--single-use", help="For one playback; such a token lasts 10m at most.")
]
ViewerId = Annotated[
    str | None,
    typer.Option(help="Whose sessions can be revoked; such a token lasts 10m at most."),
]
ViewerSessionVersion = Annotated[
    int | None, typer.Option(help="With --viewer-id: sessions are revoked up to a version.")
]
MaximumResolution = Annotated[
    str | None, typer.Option(help="The largest picture: SD, HD or FULL_HD.")
]
Claims = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=JSON", help="Another claim, e.g. aws:ads-opt-out=true."),
]
Url = Annotated[
    str | None, typer.Option(help="The channel's playbackUrl: print it with the token.")
]


@token_app.command("create")
def token_create(
    *,
    private_key: PrivateKey,
    channel: Channel,
    expires_in: ExpiresIn = "10m",
    origin: Origins = None,
    strict_origins: StrictOrigins = False,
    single_use: SingleUse = False,
    viewer_id: ViewerId = None,
    viewer_session_version: ViewerSessionVersion = None,
    maximum_resolution: MaximumResolution = None,
    claim: Claims = None,
    url: Url = None,
) -> None:
    """Print a playback token, or a playback URL with it."""
    arn = parse_arn(channel)
    if arn is None or arn.type != "channel":
        raise OperatorError(f"--channel {channel!r}: must be the ARN of a channel")
    now_ms = time.time_ns() // 1_000_000
    claims = {
        playback_token.CHANNEL_ARN: channel,
        "exp": now_ms // 1000 + seconds_of("--expires-in", expires_in),
        playback_token.ALLOW_ORIGIN: ",".join(origin) if origin else None,
        playback_token.STRICT: strict_origins or None,
        playback_token.SINGLE_USE: str(uuid.uuid4()) if single_use else None,
        playback_token.VIEWER_ID: viewer_id,
        playback_token.VIEWER_VERSION: viewer_session_version,
        playback_token.MAXIMUM_RESOLUTION: maximum_resolution,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    key = Secret(text_of("--private-key", private_key))
    try:
        token = playback_signing.sign(given | _claims(claim or ()), key, now_ms=now_ms)
    except PeerError as error:
        raise OperatorError(f"no token was made: {error}") from None
    out.print(token if url is None else f"{url}{'&' if '?' in url else '?'}token={token}")


@token_app.command("keys")
def token_keys(
    *,
    private_key: Annotated[
        str, typer.Option(metavar="FILE", help="Where to write the private key; no file yet.")
    ],
    public_key: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where to write the public key; else it is printed."),
    ] = None,
) -> None:
    """Make a key pair: keep the private key, import the public one."""
    private, public = playback_signing.new_key_pair()
    _write("--private-key", private_key, private.reveal(), mode=0o600)
    if public_key is None:
        out.print(public, end="")
    else:
        _write("--public-key", public_key, public, mode=0o644)


def _claims(texts: Sequence[str]) -> dict[str, Any]:
    claims = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            claims[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise OperatorError(
                f"--claim {text!r}: a name, = and JSON, e.g. aws:ads-opt-out=true"
            ) from None
    return claims


def _write(flag: str, file: str, text: str, *, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
    except OSError as error:
        raise OperatorError(f"{flag} {file!r} cannot be written: {error.strerror}") from None

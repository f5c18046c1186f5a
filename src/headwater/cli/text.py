"""What the commands print for people: lines to paste and where things are."""

from collections.abc import Sequence

from rich.console import Console

from headwater.core.secret import Secret
from headwater.node.node import Endpoints
from headwater.store.identities import AccessKeyRecord

out = Console(highlight=False, markup=False, soft_wrap=True)
"""Answers go to standard output; log lines and errors to standard error."""


def key_lines(
    key: AccessKeyRecord, region: str, api_url: str | None = None, *, token: Secret | None = None
) -> list[str]:
    """Shell lines that make the AWS CLI and SDKs use this key (and this endpoint)."""
    lines = [
        f"export AWS_ACCESS_KEY_ID={key.id}",
        f"export AWS_SECRET_ACCESS_KEY={key.secret.reveal()}",
        f"export AWS_DEFAULT_REGION={region}",
        f"export AWS_REGION={region}",  # the JavaScript SDK reads only this one
    ]
    if token:
        lines.insert(2, f"export AWS_SESSION_TOKEN={token.reveal()}")
    if api_url:
        lines += [f"export AWS_ENDPOINT_URL_{service}={api_url}" for service in ("IVS", "STS")]
    return lines


def endpoint_rows(endpoints: Endpoints) -> list[tuple[str, str]]:
    """Name and URL of everything that can be reached."""
    return [
        ("API endpoint", endpoints.api_url),
        ("RTMPS ingest", endpoints.rtmps_url),
        ("RTMP ingest", endpoints.rtmp_url),
    ]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows as columns, on standard output."""
    for line in aligned(rows):
        out.print(line)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as columns of equal width; never cut or wrapped, so that they can be copied."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

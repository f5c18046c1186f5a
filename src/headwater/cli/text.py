"""Where and how the commands print."""

from collections.abc import Sequence

from rich.console import Console

out = Console(highlight=False, markup=False, soft_wrap=True)
"""Answers go to standard output; log lines and errors to standard error."""


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

"""Wildcards: `*` stands for any run of characters, `?` for any one.

Source: IAM user guide, "IAM JSON policy elements: Resource" (a `*` also runs over the
colons of an ARN); EventBridge user guide, "Wildcard matching" (which has no `?`).

A hostile pattern costs no more than a friendly one: each character of a text is one step
on an integer that holds all positions reached in the pattern, bit by bit (Baeza-Yates and
Gonnet, "A new approach to text searching", 1992), so nothing is ever tried again.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

from msgspec import Struct


class Wildcard(Enum):
    """What is not compared as it is."""

    ONE = "?"
    RUN = "*"


Piece = str | Wildcard
"""Literal text, of any length, or a wildcard."""


class Glob(Struct, frozen=True, kw_only=True):
    """A pattern, ready to match. Bit i of a mask speaks of the first i characters."""

    literal: str | None  # the whole pattern, when it has no wildcard
    length: int  # characters that a text has at least
    loops: int  # where a `*` stands: any character stays there
    any_steps: int  # which characters are a `?`
    steps: dict[str, int]  # for each character, which ones it matches

    def matches(self, text: str) -> bool:
        """Whether the pattern covers all of `text`."""
        if self.literal is not None:
            return text == self.literal
        reached = 1
        for character in text:
            step = self.steps.get(character, self.any_steps)
            reached = ((reached << 1) & step) | (reached & self.loops)
            if not reached:
                return False
        return bool(reached >> self.length & 1)


def glob(pieces: Iterable[Piece]) -> Glob:
    """The pattern made of these pieces."""
    parts = list(pieces)
    literals: list[str | None] = []  # None: any character
    loops = 0
    for part in parts:
        if part is Wildcard.RUN:
            loops |= 1 << len(literals)
        else:
            literals.extend([None] if isinstance(part, Wildcard) else part)
    any_steps = sum(1 << i for i, one in enumerate(literals, 1) if one is None)
    steps: dict[str, int] = {}
    for i, one in enumerate(literals, 1):
        if one is not None:
            steps[one] = steps.get(one, any_steps) | 1 << i
    texts = [part for part in parts if isinstance(part, str)]
    return Glob(
        literal="".join(texts) if len(texts) == len(parts) else None,
        length=len(literals),
        loops=loops,
        any_steps=any_steps,
        steps=steps,
    )


def pieces_of(text: str) -> list[Piece]:
    """Text in which every `*` and `?` is a wildcard."""
    pieces: list[Piece] = []
    start = 0
    for at, character in enumerate(text):
        if character in "*?":
            if at > start:
                pieces.append(text[start:at])
            pieces.append(Wildcard(character))
            start = at + 1
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def split_pieces(pieces: Sequence[Piece], separator: str, most: int) -> list[list[Piece]]:
    """Pieces between separators, in at most `most` parts; wildcards hold no separator."""
    parts: list[list[Piece]] = [[]]
    for piece in pieces:
        if isinstance(piece, Wildcard):
            parts[-1].append(piece)
            continue
        first, *others = piece.split(separator, most - len(parts))
        parts[-1].append(first)
        parts.extend([other] for other in others)
    return parts

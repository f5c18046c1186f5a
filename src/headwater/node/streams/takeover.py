"""Who may publish to a stream that another encoder publishes already: the decision alone.

Source: IVS user guide, "Stream Takeover": an encoder that publishes with `?priority=N` behind
its stream key takes a stream over from one of a lower priority, or of none, if its resolution,
codecs and number of tracks are the same.

An encoder whose connection broke has its place for as long as the stream waits for it: whoever
comes back with the same priority, or with none where it had none, goes on with the stream. A
lower priority does not, so that an encoder that was taken over from cannot slip back in.
"""

from typing import Literal

from msgspec import Struct

from headwater.core.track import TrackSet
from headwater.media.splice import differences

NO_PRIORITY = 0
MAX_PRIORITY = 2_147_483_647
MAX_CANDIDATES = 4
"""Encoders that try to take over one stream at the same time; each may make us hold 32 MB."""

_MAX_DIGITS = 20  # leading zeros are fine, a number to count with is not needed

FailureCode = Literal[
    "StreamTakeoverMediaMismatch", "StreamTakeoverInvalidPriority", "StreamTakeoverLimitBreached"
]


class Failure(Struct, frozen=True):
    """Why the stream is not taken over."""

    code: FailureCode  # of the event "Stream Takeover Failure"
    text: str  # for the encoder's user


class Running(Struct, frozen=True, kw_only=True):
    """The stream that is there."""

    priority: int  # of its encoder, also of one whose connection broke
    is_connected: bool
    takeovers: int  # so far
    candidates: int  # that try to take it over now


class Busy(Struct, frozen=True):
    """Refused without an event: it did not ask to take over."""

    text: str


Answer = Literal["resume", "take over"] | Failure | Busy


def priority_of(text: str | None) -> int | None:
    """The priority that a stream key came with; None: it is none that may be asked for.

    Args:
        text: the parameter's value; None: there was no parameter.
    """
    if text is None:
        return NO_PRIORITY
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return None
    priority = int(text)
    return priority if 1 <= priority <= MAX_PRIORITY else None


def decide(asked: int | None, running: Running, *, most_takeovers: int) -> Answer:
    """What becomes of an encoder that asks for a stream that is there.

    Args:
        asked: as `priority_of` gave it.
        running: the stream.
        most_takeovers: of one stream.
    """
    if asked is None:
        return Failure(
            "StreamTakeoverInvalidPriority",
            f"The priority has to be a whole number from 1 to {MAX_PRIORITY}.",
        )
    if asked > running.priority:
        return _limit(running, most_takeovers) or "take over"
    if asked == running.priority and not running.is_connected:
        return "resume"
    if asked == NO_PRIORITY:
        return Busy(
            "The channel is live from another encoder."
            if running.is_connected
            else "The channel is kept for the encoder that took its stream over."
        )
    return Failure(
        "StreamTakeoverInvalidPriority",
        f"The channel is live from an encoder of priority {running.priority}; "
        f"{asked} is not higher.",
    )


def _limit(running: Running, most_takeovers: int) -> Failure | None:
    code: FailureCode = "StreamTakeoverLimitBreached"
    if running.takeovers >= most_takeovers:
        return Failure(code, f"The stream was taken over {most_takeovers} times, the most allowed.")
    if running.candidates >= MAX_CANDIDATES:
        return Failure(code, f"{MAX_CANDIDATES} encoders try to take the stream over already.")
    return None


def mismatch_of(running: TrackSet, newcomer: TrackSet) -> Failure | None:
    """What keeps the newcomer from taking over; None: it fits."""
    found = differences(running, newcomer)
    if not found:
        return None
    return Failure(
        "StreamTakeoverMediaMismatch",
        f"The stream is not taken over, because the media differs: {', '.join(found)}.",
    )

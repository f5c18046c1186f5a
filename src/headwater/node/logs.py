"""Logging: structlog to standard error, one line per unit of work."""

import asyncio
import atexit
import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

# What JSON has not is shown by its repr, which of a Secret is none.
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LineLogger:
    """Writes finished lines, those of one turn of the event loop together.

    Each write lets other threads run, and the loop then waits for them to stop: with many
    requests at once that took longer than making the lines. Without a running loop, a line
    is written at once. What waits is as much as one turn of the loop logs.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._waiting: list[str] = []
        self._is_planned = False

    def msg(self, line: str) -> None:
        """Write a line, now or at the end of this turn of the loop."""
        self._waiting.append(line)
        if self._is_planned:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._is_planned = True
            loop.call_soon(self.flush)

    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        """Write what waits."""
        self._is_planned = False
        lines, self._waiting = self._waiting, []
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()


def configure_logging(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Send log lines of at least `level` to standard error.

    Standard library loggers (Granian, Alembic, asyncio) are kept to warnings.
    """
    pretty = form == "text" or (form == "auto" and sys.stderr.isatty())
    logger = LineLogger(sys.stderr)
    atexit.register(logger.flush)
    structlog.configure(
        processors=_TEXT if pretty else [_json_line],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_name: logger,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def _json_line(logger: object, level: str, event: EventDict) -> str:
    """A line of JSON; one processor, since each one more is called for every request."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    try:
        return _ENCODER.encode(event).decode()
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, or a huge number
        return json.dumps(event, default=repr)


_TEXT: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Plain traces: the rich ones show local variables, and with them stream keys.
    structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
]

"""Logging: structlog to standard error, one line per unit of work."""

import json
import logging
import sys
from typing import Literal

import msgspec
import structlog

# What JSON has not is shown by its repr, which of a Secret is none.
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logging(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Send log lines of at least `level` to standard error.

    Standard library loggers (Granian, Alembic, asyncio) are kept to warnings.
    """
    pretty = form == "text" or (form == "auto" and sys.stderr.isatty())
    # Plain traces: the rich ones show local variables, and with them stream keys.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if pretty else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def _to_json(line: object, **_options: object) -> str:
    try:
        return _ENCODER.encode(line).decode()
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, or a huge number
        return json.dumps(line, default=repr)

"""Run a command's coroutine on the fastest event loop there is."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop, or on asyncio's own loop where uvloop has no build."""
    try:
        import uvloop  # noqa: PLC0415 - an optional speed-up
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)

"""Stores of both kinds, as the tests of the store have them, and a webhook's other side."""

import pytest

from events.receiver import Receiver
from store.conftest import cluster, empty, kind, path, source, store, template, url

__all__ = ["cluster", "empty", "kind", "path", "source", "store", "template", "url"]


@pytest.fixture
async def receiver():
    async with Receiver() as receiver:
        yield receiver

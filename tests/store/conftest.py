import asyncio

import pytest

from headwater.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "headwater.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """The bytes of a database with the schema and no rows: migrating for each test is slow."""
    path = tmp_path_factory.mktemp("empty") / "headwater.db"

    async def make():
        await (await Store.open(f"sqlite:///{path}")).close()

    asyncio.run(make())
    return path.read_bytes()


@pytest.fixture
async def store(path, url, empty):
    path.write_bytes(empty)
    store = await Store.open(url, busy_timeout_ms=2000)
    yield store
    await store.close()

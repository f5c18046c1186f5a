"""Each test of the store runs on both databases, unless its module overrides `kind`."""

import asyncio

import pytest

import postgres
from headwater.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def cluster():
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def template(cluster):
    """A database with the schema and no rows: making it for each test is slow."""
    return asyncio.run(_make_template(cluster))


async def _make_template(cluster):
    name = await cluster.create()
    await (await Store.open(cluster.url(name))).close()
    return name


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """The same as a SQLite file's bytes."""
    path = tmp_path_factory.mktemp("empty") / "headwater.db"

    async def make():
        await (await Store.open(f"sqlite:///{path}")).close()

    asyncio.run(make())
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "headwater.db"


@pytest.fixture
def source(kind, request):
    """What a test's database is copied from: with the schema where the test has a store."""
    made = "store" in request.fixturenames
    if kind == "sqlite":
        return request.getfixturevalue("empty") if made else None
    cluster = request.getfixturevalue("cluster")
    return cluster, request.getfixturevalue("template") if made else "template0"


@pytest.fixture
async def url(kind, source, path):
    if kind == "sqlite":
        if source:
            path.write_bytes(source)
        yield f"sqlite:///{path}"
    else:
        cluster, template = source
        name = await cluster.create(template)
        yield cluster.url(name)
        await cluster.drop(name)


@pytest.fixture
def template_url(kind, request, tmp_path):
    """A database as `Store.open` makes it. Leave it as it is."""
    if kind == "postgresql":
        return request.getfixturevalue("cluster").url(request.getfixturevalue("template"))
    path = tmp_path / "template.db"
    path.write_bytes(request.getfixturevalue("empty"))
    return f"sqlite:///{path}"


@pytest.fixture
async def store(url):
    store = await Store.open(url, busy_timeout_ms=20_000)  # dozens of writers queue in a test
    yield store
    await store.close()

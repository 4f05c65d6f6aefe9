"""What tests of several floors stand on: a ledger in a real store, emptied for each test, and ground for more stores.

Each process that runs tests has stores of its own.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import cache

import pytest
import pytest_asyncio
from e2e.programs import Program
from ledger.bench import NOON_US, Bench, reached
from ledger.place import Place, a_cluster, clusters_of, one_server
from redis.asyncio import Redis
from stores.servers import Yard, yard

#: Folders whose modules take longest. They come first, so that no process is left with one of them at the end.
LONGEST = ("simulation", "e2e")
#: Of a program's log, so much is shown with a test that failed.
SHOWN = 8000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {folder: place for place, folder in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a test that failed, what the programs said that it was given."""
    report = yield
    if report.failed and report.when == "call":
        given = getattr(item, "funcargs", {}).items()
        programs = ((name, program) for name, program in given if isinstance(program, Program))
        report.sections += [(f"log of {name}", program.said()[-SHOWN:]) for name, program in programs]
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    clusters = clusters_of(metafunc.module.__name__)
    if "place" in metafunc.fixturenames and clusters:
        metafunc.parametrize("place", ("one", *clusters), indirect=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[Place]:
    """The one server of the session."""
    async with one_server() as place:
        yield place


@pytest.fixture(scope="session")
def clusters() -> Iterator[Callable[[str], Place]]:
    """The Clusters of the session by their engine, each started when it is first asked for."""
    with yard() as ground:
        yield cache(lambda engine: a_cluster(ground, engine))


@pytest.fixture
def place(request: pytest.FixtureRequest, server: Place, clusters: Callable[[str], Place]) -> Place:
    engine = getattr(request, "param", "one")
    return server if engine == "one" else clusters(engine)


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Redis]:
    async with Redis.from_url(place.server_url) as connected:
        await connected.flushall()
        yield connected


@pytest.fixture
async def bench(place: Place, redis: Redis) -> AsyncIterator[Bench]:
    """The ledger of the account `up` at noon in 2050."""
    store = await reached(place.url)
    bench = Bench(redis, store)
    await bench.at(NOON_US)
    yield bench
    await store.aclose()


@pytest.fixture(scope="module")
def ground() -> Iterator[Yard]:
    """Where the stores of a module run."""
    with yard() as opened:
        yield opened

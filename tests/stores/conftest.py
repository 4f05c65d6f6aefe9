"""A yard for the servers of a module."""

from collections.abc import Iterator

import pytest

from stores.servers import Yard, yard


@pytest.fixture(scope="module")
def ground() -> Iterator[Yard]:
    with yard() as opened:
        yield opened

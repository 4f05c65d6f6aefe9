import tomllib
from pathlib import Path

import msgspec
import pytest

from gateway.pricing import Model

KLEIN = Path(__file__).parents[2] / "policies" / "models" / "flux-2-klein-4b-base-edit.toml"


@pytest.fixture(scope="session")
def klein() -> Model:
    """The shipped model, read as the policy floor reads it."""
    (entry,) = tomllib.loads(KLEIN.read_text())["model"]
    return msgspec.convert(entry, Model)


@pytest.fixture(scope="session")
def lax(klein: Model) -> Model:
    """The same price without a schema, so that whatever JSON allows reaches the price rule."""
    return msgspec.structs.replace(klein, input={})

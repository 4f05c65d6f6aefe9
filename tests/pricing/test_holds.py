"""No hold below the true cost, no crash, no float: a part of what `make holds` does, and that it finds faults."""

import msgspec
import pytest

from gateway.pricing import quote
from pricing import holds
from pricing.written import written


def test_no_hold_is_below_what_the_run_came_to() -> None:
    counted = holds.try_many(4_000, start=0)
    for model in holds.PRICED:
        assert counted[f"{model.slug}: run"] > 50


def test_every_model_of_the_book_runs_in_the_sandbox() -> None:
    assert set(holds.BOOK) == set(holds.SANDBOX)


@pytest.mark.parametrize(
    ("slug", "path", "value"),
    [
        ("latentsync", ("quantity", "seconds", "most"), 500),
        ("seedance-v1-pro-text-to-video", ("quantity", "pixels", "margin_percent"), 0),
        ("gpt-image-v2-text-to-image", ("quantity", "image_output_tokens", "most"), 20_000),
        ("kling-v1-5-pro-text-to-video", ("price", "usd"), "0.09"),
        (holds.KLEIN, ("price", "max_megapixels"), 3),
    ],
)
def test_a_hold_that_is_too_small_is_found(
    slug: str, path: tuple[str, ...], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = msgspec.to_builtins(holds.BOOK[slug])
    raw = {name: each for name, each in raw.items() if each is not None}
    *folders, name = path
    inner = raw
    for folder in folders:
        inner = inner[folder]
    inner[name] = value
    monkeypatch.setattr(holds, "PRICED", [msgspec.convert(raw, type(holds.BOOK[slug]))])
    with pytest.raises(AssertionError, match=f"seed [0-9]+: AssertionError: {slug} cost "):
        holds.try_many(2_000, start=0)


def test_what_only_looks_like_a_sound_quote_is_found() -> None:
    price = quote(written('[price]\nkind = "fixed"\nusd = "1"\n'), {})
    holds.check_sound(price)
    for wrong in ({"estimate": 1}, {"hold": 1}, {"hold": 200_000_000}, {"quantities": {"seconds": 5.5}}):
        with pytest.raises(AssertionError):
            holds.check_sound(msgspec.structs.replace(price, **wrong))

"""What was used of late is remembered, and no more than there may be."""

import random

import pytest

from gateway.domain.recent import Recent


def test_what_was_put_last_is_found() -> None:
    recent: Recent[str] = Recent(10)
    recent.put("a", "first")
    recent.put("a", "second")
    assert (recent.get("a"), recent.get("b")) == ("second", None)


@pytest.mark.parametrize("seed", range(20))
def test_the_half_that_was_used_last_is_there_and_never_more_than_the_bound(seed: int) -> None:
    chance, recent, used = random.Random(seed), Recent[int](20), list[int]()
    for number in range(300):
        name = chance.randrange(40)
        if recent.get(str(name)) is None:
            recent.put(str(name), number)
        used = [name, *(each for each in used if each != name)]
        known = {*recent._new, *recent._old}
        assert {str(each) for each in used[:10]} <= known
        assert len(known) <= 21


def test_what_is_asked_for_again_and_again_stays() -> None:
    recent: Recent[int] = Recent(10)
    recent.put("kept", 1)
    for number in range(1000):
        recent.put(str(number), number)
        assert recent.get("kept") == 1
    assert recent.get("0") is None


def test_things_are_bounded_by_what_they_weigh() -> None:
    recent: Recent[bytes] = Recent(100, len)
    for number in range(1000):
        recent.put(str(number % 50), bytes(number % 7))
        held = [*recent._new.values(), *recent._old.values()]
        assert sum(map(len, held)) <= 106
    recent.put("large", bytes(1000))  # alone above the bound: it is there until the next
    assert recent.get("large") == bytes(1000)
    for _ in range(30):
        recent.put("x", bytes(9))  # in place of itself
        recent.put("y", bytes(9))
    assert (recent.get("x"), recent.get("y")) == (bytes(9), bytes(9))

"""What is wrong with policy files: problems, each with its place, gathered until all are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the file as it was given, the place in words, and what would be right."""

    file: str
    place: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.place, self.message) if part)


class PolicyInvalid(Exception):
    """A folder that is no policy; `problems` has everything that was found, file by file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a policy file, which can be gone deeper into and complained about.

    All spots of one load share `found`, so that reading goes on after a problem and reports the next one too.
    """

    file: str
    place: str
    found: list[Problem]

    def report(self, message: str, field: str = "") -> None:
        """Note a problem here, or with one field of the entry that is here."""
        self.found.append(Problem(self.file, self.inside(f"field {field}").place if field else self.place, message))

    def inside(self, step: str) -> "Spot":
        """Go one step deeper."""
        return Spot(self.file, f"{self.place}, {step}" if self.place else step, self.found)

    def entry(self, word: str, position: int, name: object) -> "Spot":
        """Go to an entry of a list: by its name where it has one that fits a line, else by its position from 0."""
        named = isinstance(name, str) and name and name.isprintable()
        return self.inside(f'{word} "{name}"' if named else f"{word}[{position}]")


def suggestion(word: object, known: Iterable[str]) -> str:
    """Say which known word was perhaps meant, as a text to append; empty where none is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""

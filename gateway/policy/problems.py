"""What is wrong with policy files: problems, each with its place, gathered until all are known."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

from gateway.policy.positions import Path, Position, Positions


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the file as it was given, where in it, the place in words, and what would be right."""

    file: str
    place: str
    message: str
    position: Position | None = None

    def __str__(self) -> str:
        file = ":".join(map(str, (self.file, *(self.position or ())))) if self.file else ""
        return ": ".join(part for part in (file, self.place, self.message) if part)

    @property
    def order(self) -> tuple[str, Position]:
        """Sort by file, and within it from top to bottom."""
        return self.file, self.position or Position(0, 0)


class PolicyInvalid(Exception):
    """A folder that is no policy; `problems` has everything that was found, file by file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.order))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Source:
    """One policy file: its name as it was given, and its text."""

    name: str
    text: str

    @cached_property
    def positions(self) -> Positions:
        """Where everything in it stands; parsed when first asked for."""
        return Positions(self.text)


@dataclass(frozen=True, slots=True)
class Findings:
    """What one load has found so far.

    `faulty` has the file and path of every field and entry that was reported; `kept` tells of a list from which
    faulty items were left out the positions of the others, so that the places of these stay right; `unread` are the
    files of which not every entry is known.
    """

    problems: list[Problem] = field(default_factory=list)
    faulty: set[tuple[str, Path]] = field(default_factory=set)
    kept: dict[tuple[str, Path], tuple[int, ...]] = field(default_factory=dict)

    unread: set[str] = field(default_factory=set)

    def note(self, file: str, message: str, position: Position | None = None) -> None:
        """Note what is wrong with a file or folder as a whole, so that what is in it is not known."""
        self.unread.add(file)
        self.problems.append(Problem(file, "", message, position))


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a policy file, which can be gone deeper into and complained about.

    All spots of one load share their `findings`, so that reading goes on after a problem and reports the next one
    too. Of one field only the first problem is told, since the others follow from it.
    """

    source: Source
    findings: Findings
    place: str = ""
    path: Path = ()

    def report(self, message: str, field: str = "", *, item: int | None = None, of: Iterable[str] = ()) -> None:
        """Note a problem with the entry that is here, or with the value of one of its fields, or an item of that.

        `of` names the fields that a sentence about the entry judges: while one of these is itself at fault, nothing
        is said.
        """
        if any(self.at_fault(name) for name in (field, *of) if name):
            return
        path = (*self.path, field) if field else self.path
        exact = path if item is None else (*path, item)
        self._note(message, path, self.source.positions.of_value(exact), field)

    def report_name(self, message: str, field: str) -> None:
        """Note that a field of that name does not belong here."""
        path = (*self.path, field)
        self._note(message, path, self.source.positions.of_name(path), field)

    def at_fault(self, field: str) -> bool:
        """Tell whether something was said of this field of the entry, or of what is in it."""
        path = (*self.path, field)
        return any(file == self.source.name and at[: len(path)] == path for file, at in self.findings.faulty)

    def inside(self, step: str, *path: str | int) -> "Spot":
        """Go one step deeper: its words, and its path."""
        place = f"{self.place}, {step}" if self.place else step
        return Spot(self.source, self.findings, place, (*self.path, *path))

    def entry(self, word: str, position: int, name: object) -> "Spot":
        """Go to an entry of a list: in words by its name where it has one that fits a line, else by its position."""
        kept = self.findings.kept.get((self.source.name, (*self.path, word)))
        written = kept[position] if kept is not None else position
        return self.inside(named(word, name) or f"{word}[{written}]", word, written)

    def member(self, word: str, name: str) -> "Spot":
        """Go to an entry of a table of tables."""
        return self.inside(named(word, name) or f"{word}[{name!r}]", word, name)

    def keep(self, word: str, positions: Iterable[int]) -> None:
        """Note which items of the list `word` are left, by their positions in the file."""
        self.findings.kept[self.source.name, (*self.path, word)] = tuple(positions)

    def _note(self, message: str, path: Path, position: Position, field: str) -> None:
        place = self.inside(f"field {field}").place if field else self.place
        self.findings.faulty.add((self.source.name, path))
        self.findings.problems.append(Problem(self.source.name, place, message, position))


def named(word: str, name: object) -> str:
    """Name an entry, such as `limit "daily"`; empty where it has no name that fits a line."""
    return f'{word} "{name}"' if isinstance(name, str) and name and name.isprintable() else ""


def suggestion(word: object, known: Iterable[str]) -> str:
    """Say which known word was perhaps meant, as a text to append; empty where none is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""

"""The tables of the README and of docs/clients.md say what the code says, and the README leads to every page."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.cli import COMMANDS
from gateway.domain.reservation import How
from gateway.server.refusals import STATUS
from gateway.settings import TABLE
from gateway.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIENTS = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def section(title: str, page: str = README) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str, page: str = README) -> list[list[str]]:
    lines = [line for line in section(title, page).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    told = {row[0].strip("`"): (row[1].strip("`"), row[2].strip("`"), row[3]) for row in rows("Settings")}
    known = {s.flag: (s.variable, {None: "none", "0": "off"}.get(s.default, s.default or ""), s.help) for s in TABLE}
    assert told == known


def test_every_refusal_stands_in_the_table_with_its_status() -> None:
    told = {code: int(row[0]) for row in rows("Refusals", CLIENTS) for code in words(row[1])}
    assert told == {code.value: status for code, status in STATUS.items()}


def test_every_metric_of_the_workers_stands_in_the_table_with_its_labels() -> None:
    told = {name: set(words(row[1])) for row in rows("Metrics") for name in words(row[0])}
    telemetry = Telemetry(CollectorRegistry())
    for metric in vars(telemetry).values():
        if hasattr(metric, "_labelnames"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            assert told.get(name) == set(metric._labelnames), name


def test_every_way_to_settle_stands_in_the_table_of_metrics() -> None:
    row = next(row for row in rows("Metrics") if "gateway_settlements_total" in row[0])
    assert set(words(row[2])) == {how.value for how in How}


def test_every_command_stands_in_the_table() -> None:
    assert {words(row[0])[0].split()[1] for row in rows("Commands")} == set(COMMANDS)


def test_every_floor_stands_in_the_picture_of_the_code() -> None:
    picture = section("The code").split("```")[1]
    floors = re.findall(r"^(\w+) ", picture, re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert set(floors) == packages - {"sandbox"}


def anchors(page: Path) -> set[str]:
    """Give the names by which GitHub links to the headings of a page."""
    return {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(page.read_text("utf-8"))
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    assert {page.name for page in (ROOT / "docs").iterdir()} <= set(re.findall(r"\(docs/([\w.]+)\)", README))


@pytest.mark.parametrize("name", ["CHANGELOG.md", "LICENSE", "deploy", "policies"])
def test_what_the_readme_speaks_of_is_there(name: str) -> None:
    assert (ROOT / name).exists()

"""`gateway models add`: drafts a model file from what upstream publishes, for somebody to confirm its price."""

import argparse
import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from gateway.cli.check import load_or_explain
from gateway.policy import Policy
from gateway.policy.drafts.draft import write_draft
from gateway.policy.drafts.page import read_page
from gateway.policy.drafts.publication import Publication, PublicationUnreadable, read_answer
from gateway.settings import SettingInvalid, Settings, read_settings
from gateway.settings import add_arguments as add_settings
from gateway.upstream.catalogue import fetch_model
from gateway.upstream.client import NotSent, OutcomeUnknown
from gateway.upstream.httpx_client import HttpxUpstream

PAGES = "https://www.eachlabs.ai/ai-models/"


class CannotDraft(Exception):
    """Says why there is no draft."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "draft the file of a model; it is refused until its price is confirmed"
    add = actions.add_parser("add", help=text, description=text)
    add.add_argument("slug", metavar="SLUG", help="upstream's name of the model")
    add.add_argument(
        "--page",
        metavar="FILE",
        help="the saved text (llms.txt) of a model page, or - for stdin; default upstream's schema",
    )
    add.add_argument(
        "--output", metavar="FILE", help="where to write, - for stdout; default models/SLUG.toml of the policies"
    )
    add_settings(add, frozenset(("policies", "upstream_url")))


def run(flags: argparse.Namespace) -> int:
    """Write the draft; exit 1 and say why where there is none."""
    try:
        settings = read_settings(flags, os.environ)
        policy = load_or_explain(settings.policies)
        if policy is None:
            return 1
        _check_new(policy, flags.slug)
        publication = _publication(flags, settings, policy)
        draft = write_draft(publication, datetime.now(UTC).date())
        _write(draft, flags, settings)
    except (SettingInvalid, CannotDraft, PublicationUnreadable, NotSent, OutcomeUnknown, OSError) as error:
        print(f"gateway models add: {error}", file=sys.stderr)
        return 1
    return 0


def _check_new(policy: Policy, slug: str) -> None:
    if slug in policy.models:
        raise CannotDraft(f"the policies have {slug!r} already; remove its entry first to draft it anew")


def _publication(flags: argparse.Namespace, settings: Settings, policy: Policy) -> Publication:
    """Read what upstream publishes of the model that was named, from the page or from upstream itself."""
    if flags.page is None:
        found = asyncio.run(_ask(flags.slug, settings.upstream_url or next(iter(policy.accounts.values())).base_url))
    else:
        found = read_page(sys.stdin.read() if flags.page == "-" else Path(flags.page).read_text(encoding="utf-8"))
    if found.slug != flags.slug:
        raise CannotDraft(f"this describes the model {found.slug[:200]!r}, not {flags.slug!r}")
    return found


async def _ask(slug: str, base_url: str) -> Publication:
    client = HttpxUpstream()
    try:
        answer = await fetch_model(client, base_url, slug)
    finally:
        await client.aclose()
    if answer.status == 404:
        raise CannotDraft(f"{base_url} knows no model {slug!r}")
    if answer.status != 200:
        raise CannotDraft(f"{base_url} answered {answer.status} when asked for {slug!r}")
    return read_answer(answer.body, PAGES + quote(slug, safe=""))


def _write(draft: str, flags: argparse.Namespace, settings: Settings) -> None:
    """Put the whole file in its place at once, since a running gateway follows the folder; never over another."""
    if flags.output == "-":
        print(draft, end="")
        return
    name = re.sub(r"[^a-z0-9._-]", "-", flags.slug.lower()).lstrip(".")
    path = Path(flags.output) if flags.output else settings.policies / "models" / f"{name}.toml"
    if path.exists():
        raise CannotDraft(f"{path} exists already; remove it, or name another --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.draft")
    whole.write_text(draft, encoding="utf-8")
    whole.replace(path)
    print(f"{path}: a draft, refused until its price is confirmed; the file says how")

"""The grammar as a JSON Schema, by which editors complete and check policy files.

It says less than `gateway check`: names and types, not what refers to what.
"""

import json
from typing import Any

import msgspec
from msgspec import Struct

from gateway.policy.documents import AccountDocument, TenantDocument
from gateway.pricing import Model

DIALECT = "http://json-schema.org/draft-07/schema#"  # the latest that the TOML plug-ins of editors know


class PolicyFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A policy file of Eachlabs Gateway."""

    account: tuple[AccountDocument, ...] = ()
    tenant: tuple[TenantDocument, ...] = ()
    model: tuple[Model, ...] = ()


def policy_schema() -> str:
    """Write the schema of one policy file, as JSON text that ends with a newline."""
    (root,), components = msgspec.json.schema_components((PolicyFile,), ref_template="#/definitions/{name}")
    definitions = {name: _first_sentence(each) for name, each in sorted(components.items())}
    return json.dumps({"$schema": DIALECT, **root, "definitions": definitions}, indent=2, ensure_ascii=False) + "\n"


def _first_sentence(component: dict[str, Any]) -> dict[str, Any]:
    """Keep of a docstring what an operator wants to read: its first line."""
    text = component.get("description", "").strip().split("\n")[0]
    return component | ({"description": text} if text else {})

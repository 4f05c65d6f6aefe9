"""Request schemas, in the few forms that upstream's pages have."""

from gateway.sandbox.catalogue.model import Schema


def takes(*required: str, **properties: Schema) -> Schema:
    """The schema of an input."""
    return {"type": "object", "required": list(required), "properties": properties}


def text(description: str = "", **more: object) -> Schema:
    """Any text."""
    return {"type": "string", "description": description, **more}


def choice(*values: str, default: str, description: str = "") -> Schema:
    """One of several texts."""
    return text(description, enum=list(values), default=default)


def seconds(*values: int, default: int) -> Schema:
    """A duration: upstream takes 5 and "5"."""
    return {
        "type": ["integer", "string"],
        "enum": [*values, *map(str, values)],
        "default": default,
        "description": "The duration of the generated video in seconds.",
    }


def integer(least: int | None = None, most: int | None = None, default: int | None = None, about: str = "") -> Schema:
    """A whole number."""
    bounds = {"minimum": least, "maximum": most, "default": default}
    return {"type": "integer", "description": about, **_stated(bounds)}


def number(least: int, most: int, default: float) -> Schema:
    """Any number."""
    return {"type": "number", "minimum": least, "maximum": most, "default": default}


def flag(*, default: bool, description: str = "") -> Schema:
    """True or false."""
    return {"type": "boolean", "default": default, "description": description}


def audio() -> Schema:
    """Whether there is sound, which clients also write as a text."""
    return {"type": ["boolean", "string"], "enum": [True, False, "true", "false"], "default": True}


def images(most: int = 4) -> Schema:
    """How many images to make."""
    return integer(1, most, 1, "The number of images to generate.")


def _stated(bounds: dict[str, int | None]) -> dict[str, object]:
    return {name: bound for name, bound in bounds.items() if bound is not None}

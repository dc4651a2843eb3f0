"""JSON Schemas of what the networks take, and the first problem of a body by event."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft4Validator, ValidationError


@dataclass(frozen=True)
class Problem:
    """Why a request is refused: the field, the rule, and the event's index (None: the envelope)."""

    field: str
    rule: str
    index: int | None = None
    kind: str = "value"  # or "missing", "unknown"
    code: str = ""
    value: Any = None  # told only where a fault says ``echo``


@cache
def validator(file: Path, name: str) -> Draft4Validator:
    """The definition ``name`` of a file of JSON Schemas."""
    schema = json.loads(file.read_text("utf-8"))
    return Draft4Validator(
        {"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]}, validate_formats=True
    )


def first_problem(schema: Draft4Validator, body: Any, events: tuple[str, ...] = ()) -> Problem | None:
    """The envelope's problem, else the first event's; ``events`` is the path to their list."""
    if schema.is_valid(body):
        return None
    problems = (problem(error, events) for error in schema.iter_errors(body))
    return min(problems, key=lambda each: -1 if each.index is None else each.index)


def problem(error: ValidationError, events: tuple[str, ...]) -> Problem:
    path, index = list(error.instance_path), None
    depth = len(events)
    if depth and tuple(path[:depth]) == events and len(path) > depth:
        index, path = int(path[depth]), path[depth + 1 :]
    kind = error.kind.name
    facts = error.kind.as_dict()
    if kind == "required":
        return Problem(dotted([*path, facts["property"]]), "missing required field", index, "missing")
    if kind == "additionalProperties":
        return Problem(dotted([*path, facts["unexpected"][0]]), "unknown field", index, "unknown")
    return Problem(dotted(path) or "body", rule(kind, facts), index, value=error.instance)


def dotted(path: list[Any]) -> str:
    """``['user', 'email', 0]`` -> ``'user.email.0'``."""
    return ".".join(str(part) for part in path)


def rule(kind: str, facts: dict[str, Any]) -> str:
    """What the value should have been, never the value."""
    if kind == "type":
        return "not a valid " + " or ".join(str(one) for one in facts["types"])
    if kind == "enum":
        return "must be one of the documented values"
    return {
        "minItems": "must not be empty",
        "minLength": "must not be empty",
        "maxItems": "too many items",
        "maxLength": "too long",
        "minimum": "too small",
        "maximum": "too large",
        "not": "must not be hashed",
    }.get(kind, "not in the documented form")

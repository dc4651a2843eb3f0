"""What is wrong with the stream maps' expressions, before a record is lost to them."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Set
from fnmatch import fnmatch
from typing import Any

from singer_sdk.mapper import CustomStreamMap

KNOWN = {"record", "_", "config", "__stream_name__", "__original_stream_name__"}
"""Names that the SDK gives to every expression, beside the record's columns."""

JSON_TYPES = (str, int, float, bool, list, dict, type(None))
NEVER = {"format", "format_map", "mro"}
"""Attributes that the SDK's evaluator refuses on every value, beside those that begin with an underscore."""
RETURN_TEXT = {"md5", "sha256"}
"""Functions of the SDK whose values are text."""


def misshaped(stream_maps: Mapping[str, Any]) -> list[str]:
    """``stream_maps.orders.value: …`` for each definition of a column that is no expression."""
    return [
        f"stream_maps.{key}.{name}: an expression expected, as text; or null"
        for key, definition in stream_maps.items()
        if isinstance(definition, Mapping)
        for name, expression in definition.items()
        if not isinstance(expression, (str, type(None))) and (name == "__filter__" or not name.startswith("__"))
    ]


def mistakes(stream_maps: Mapping[str, Any], stream: str, made: CustomStreamMap, columns: Set[str]) -> list[str]:
    """``stream_maps.orders.value: …`` for each expression that no record of the stream can be mapped by.

    ``made``: what the SDK has made of one of them; ``columns``: those of the stream's SCHEMA and first record.
    """
    said = []
    for key, definition in stream_maps.items():
        if isinstance(definition, Mapping) and fnmatch(stream, _source(key, definition)):
            for name, expression in definition.items():
                if isinstance(expression, str) and (name == "__filter__" or not name.startswith("__")):
                    rule = _mistake(expression, name, columns, made)
                    said += [f"stream_maps.{key}.{name}: {rule}"] if rule else []
    return said


def draw(stream_maps: Mapping[str, Any]) -> bool:
    """Whether an expression has values from Faker, which depend on the values before them."""
    return any(
        isinstance(expression, str) and re.search(r"\bfake\b", expression)
        for definition in stream_maps.values()
        if isinstance(definition, Mapping)
        for expression in definition.values()
    )


def unmet(stream_maps: Mapping[str, Any], streams: Collection[str]) -> list[str]:
    """The paths of the stream maps that are for none of the streams."""
    paths = []
    for key, definition in stream_maps.items():
        source = _source(key, definition)
        if not key.startswith("__") and not any(fnmatch(stream, source) for stream in streams):
            paths.append(f"stream_maps.{key}" if source == key else f"stream_maps.{key}.__source__")
    return paths


def _source(key: str, definition: Any) -> str:
    return str(definition.get("__source__", key)) if isinstance(definition, Mapping) else key


def _mistake(expression: str, name: str, columns: Set[str], made: CustomStreamMap) -> str | None:
    try:
        tree = ast.parse(expression)
    except SyntaxError:
        return None  # the SDK has refused it, or takes it for something else
    if not tree.body or not isinstance(tree.body[0], ast.Expr):
        return "an expression expected (`==` compares)"
    nodes = [*ast.walk(tree)]
    if any(isinstance(node, ast.expr) and type(node) not in made.expr_evaluator.nodes for node in nodes):
        return "has a part that stream maps don't know; the SDK's documentation lists those that they do"
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if called - made.functions.keys():
        return "calls a function that is not there; the SDK's documentation of stream maps lists those that are"
    known = KNOWN | columns | made.functions.keys()
    known |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {"fake"} if made.fake else set()
    known |= {"self"} if name in columns else set()
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    if "fake" in used - known:
        return "needs the package Faker: `pip install faker`"
    if used - known or {*_members(nodes, "record", "_")} - columns:
        return "names a column that neither the SCHEMA message nor the first record has"
    if {*_members(nodes, "config")} - {*(made.map_config or ())}:
        return "names a value that `stream_map_config` does not have"
    values = KNOWN | columns | {"self"}
    values -= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if any(_is_unknown(node, is_called, values, made) for node, is_called in _attributes(nodes)):
        return "calls a method, or names an attribute, that is not there"
    return None


def _members(nodes: list[ast.AST], *names: str) -> Iterator[str]:
    """``value`` of ``record['value']``."""
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(member))) if name in names:
                yield member


def _attributes(nodes: list[ast.AST]) -> Iterator[tuple[ast.Attribute, bool]]:
    """``value.strip`` of ``value.strip()``, and whether it is called."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return ((node, id(node) in called) for node in nodes if isinstance(node, ast.Attribute))


def _is_unknown(node: ast.Attribute, is_called: bool, values: Set[str], made: CustomStreamMap) -> bool:
    """Whether no value that stands before the dot can have that attribute.

    ``values``: names of JSON values, which may be objects. ``address.city`` is a member; no member can be called.
    """
    name = node.attr
    if name.startswith(("_", "func_")) or name in NEVER:
        return True
    match node.value:
        case ast.Call(func=ast.Name(id=function)) if function in RETURN_TEXT:
            return not hasattr(str, name)
        case ast.Call(func=ast.Name(id=function)) if isinstance(made.functions.get(function), type):
            return not hasattr(made.functions[function], name)
        case ast.Constant(value=constant):
            return not hasattr(constant, name)
        case ast.Name(id=module) if module in made.functions and module not in values:
            return not hasattr(made.functions[module], name)
    return is_called and _root(node.value) in values and not any(hasattr(kind, name) for kind in JSON_TYPES)


def _root(node: ast.expr) -> str | None:
    """``record`` of ``record['a'].strip().lower``."""
    while True:
        match node:
            case ast.Attribute(value=before) | ast.Subscript(value=before) | ast.Call(func=ast.Attribute() as before):
                node = before
            case ast.Name(id=name):
                return name
            case _:
                return None

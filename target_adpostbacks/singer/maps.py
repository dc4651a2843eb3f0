"""What is wrong with the stream maps' expressions, before a record is lost to them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Set
from fnmatch import fnmatch
from typing import Any

from singer_sdk.mapper import CustomStreamMap

KNOWN = {"record", "_", "config", "__stream_name__", "__original_stream_name__"}
"""Names that the SDK gives to every expression, beside the record's columns."""


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
    nodes = [*ast.walk(tree)]
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
    if used - known or {*_members(nodes)} - columns:
        return "names a column that neither the SCHEMA message nor the first record has"
    return None


def _members(nodes: list[ast.AST]) -> Iterator[str]:
    """``value`` of ``record['value']``."""
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id="record" | "_"), slice=ast.Constant(value=str(column))):
                yield column

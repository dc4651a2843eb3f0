"""Keeps what is the person's in the person's columns: what a rule may compute from a match key, and where to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.disclosure import MATCH_KEYS, OTHER_CLICK_IDS
from target_adpostbacks.core.paths import BadPath, Path
from target_adpostbacks.core.properties import folded, is_personal
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules.expressions import Expression
from target_adpostbacks.rules.rule import IDS, Rule

PERSON = MATCH_KEYS - {"click_id"}
MATCH_PROPERTIES = frozenset(f"properties.{name}" for network in NETWORKS.values() for name in network.match_properties)
CLICK_IDS = OTHER_CLICK_IDS.union({"click_id"}, *(network.ids for network in NETWORKS.values()))
IDS_OF_PERSON = frozenset({"external_id", "lead_id"})
"""Match keys that an event's id may be made of."""
WITHOUT_TEXT = frozenset(
    "value currency num_items screen_width screen_height event_source adjustment event_time click_time view_time "
    "adjustment_time consent ad_user_data ad_personalization ad_storage limited_data_use opt_out gpc".split()
)
"""Columns for which an expression may ask about the person: ``20 if email else 10``."""
WORDS = {
    "mail": {"email"},
    **{word: {"phone"} for word in ("phone", "mobile", "tel", "cell", "msisdn", "whatsapp", "contactnumber")},
    **{word: {"external_id"} for word in ("externalid", "userid", "customerid")},
    "useragent": {"user_agent"},
    "ipaddress": {"ip_address"},
    "name": {"first_name", "last_name"},
}
"""What a personal name holds, by a part of it; one without any of these may hold anything of a person."""

AS_IT_IS = (
    "made of a column of the person, but it is stored or sent as it is; take a column that identifies no person, or"
    " ask for it in `when`"
)
COMPUTED = "[ ] holds an expression, which could lead to a column of the person; write the member's name or number"


class Names(NamedTuple):
    """What a record calls the columns of a person, in lower case, and the objects that ``fields`` finds them in."""

    columns: Mapping[str, frozenset[str]]
    objects: Mapping[tuple[str, ...], frozenset[str]]

    def held_at(self, path: tuple[str, ...]) -> frozenset[str]:
        """The columns of a person that a name with its members may hold."""
        path = tuple(part.lower() for part in path if part)
        if path[:1] == ("contents",):
            return frozenset()  # the names of what is sold
        held = {column for part in path for column in self.columns.get(part) or _by_words(part)}
        if ".".join(path) in MATCH_PROPERTIES:
            held.add(".".join(path))
        return self.objects.get(path, frozenset()).union(held)


def names(fields: Any) -> Names:
    """What a record calls the columns of a person, where ``fields`` is the setting."""
    columns = {name.lower(): {name} for name in (*PERSON, *CLICK_IDS)}
    columns |= {"ip": {"ip_address"}, "xff": {"ip_address"}}
    columns |= {alias: {column} for alias, column in COLUMN_ALIASES.items() if column in PERSON}
    objects: dict[tuple[str, ...], set[str]] = {}
    for column, where in fields.items() if isinstance(fields, Mapping) else ():
        if column in PERSON or column in CLICK_IDS:
            for path in where if isinstance(where, list) else [where]:
                parts = _parts(path)
                columns.setdefault(parts[-1], set()).add(column)
                for length in range(1, len(parts)):
                    objects.setdefault(parts[:length], set()).add(column)
    return Names(
        {name: frozenset(held) for name, held in columns.items()},
        {path: frozenset(held) for path, held in objects.items()},
    )


def _parts(path: Any) -> tuple[str, ...]:
    try:
        return tuple(name.lower() for name in Path(path, every=True).names) if isinstance(path, str) else ("",)
    except BadPath:
        return ("",)


def _by_words(name: str) -> frozenset[str]:
    if not is_personal(name):
        return frozenset()
    plain = folded(name)
    return next((frozenset(held) for word, held in WORDS.items() if word in plain), PERSON)


def misplaced(rule: Rule, person: Names, leaves: Callable[[str], bool] = lambda _: True) -> Iterator[str]:
    """What a rule computes from the person and may not. ``leaves``: whether the settings let a column leave."""
    yield from misplaced_columns(rule.computed, person, leaves)
    for name, expression in rule.computed_properties.items():
        if problem := _problem("properties", expression.tree, person, leaves):
            yield f"compute.properties.{name}: {problem}"


def misplaced_columns(
    computed: Mapping[str, Expression], person: Names, leaves: Callable[[str], bool] = lambda _: True
) -> Iterator[str]:
    """The same of columns and the expressions that give them their values."""
    for column, expression in computed.items():
        if problem := _problem(column, expression.tree, person, leaves):
            yield f"compute.{column}: {problem}"


def leaving(settings: Mapping[str, Any]) -> Callable[[str], bool] | None:
    """Whether an account's settings let a column leave; None where they let all."""
    listed, address = settings.get("match_keys"), settings.get("ip_address", "send")
    if listed is None and address == "send":
        return None
    return lambda column: (listed is None or column in listed) and (column != "ip_address" or address == "send")


def _problem(target: str, tree: ast.expr, person: Names, leaves: Callable[[str], bool]) -> str:
    of_person = target in PERSON
    for path, is_hashed in _used(tree, asks=of_person or target in WITHOUT_TEXT):
        if "[]" in path:
            return COMPUTED
        held = person.held_at(path)
        if not held or target in held:
            continue
        is_id = target in IDS and held <= IDS_OF_PERSON
        if is_id and is_hashed and held == {"external_id"}:
            continue
        if not (of_person or is_id or held <= CLICK_IDS | MATCH_PROPERTIES):
            return AS_IT_IS
        if withheld := sorted(column for column in held if not leaves(column)):
            return f"made of {', '.join(withheld)}, which match_keys or ip_address keeps back; take another column"
    return ""


def _used(node: ast.AST, *, asks: bool, hashed: bool = False) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each name with its members, and whether SHA-256 of it is taken. A member that is computed is ``[]``.

    ``asks``: without the names that only decide, in conditions and comparisons.
    """
    if asks and (isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))):
        return
    parts: list[ast.AST] = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.Call):
        is_method = isinstance(node.func, ast.Attribute)
        parts = [*node.args, node.func.value] if isinstance(node.func, ast.Attribute) else [*node.args]
        hashed = hashed or (not is_method and isinstance(node.func, ast.Name) and node.func.id == "sha256")
    elif isinstance(node, ast.IfExp) and asks:
        parts = [node.body, node.orelse]
    elif isinstance(node, ast.Name) and ":" in node.id:  # of a source's rows: at('customer.email')
        yield from ((_parts(path), hashed) for path in node.id.partition(":")[2].split("\n"))
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        path, parts = _path(node)
        yield path, hashed
    for part in parts:
        yield from _used(part, asks=asks, hashed=hashed)


def _path(node: ast.AST) -> tuple[tuple[str, ...], list[ast.AST]]:
    """A name with its members, and the parts beside it."""
    members: list[str] = []
    beside: list[ast.AST] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            members.append(node.attr)
        elif isinstance(node.slice, ast.Constant):
            members.append(node.slice.value if isinstance(node.slice.value, str) else "")
        else:
            beside.append(node.slice)
            is_position = isinstance(node.slice, (ast.Slice, ast.UnaryOp))
            members.append("" if is_position else "[]")
        node = node.value
    if isinstance(node, ast.Name):
        members.append(node.id)
    else:
        beside.append(node)
        if isinstance(node, (ast.List, ast.Tuple)):  # written in the rule itself
            members = [member for member in members if member != "[]"]
    return tuple(reversed(members)), beside

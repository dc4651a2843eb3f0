"""Templates: text with macros, ``cid={click_id}&em={email|sha256_email}``. Parsed once, filled for each conversion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks.core.answers import JSON
from target_adpostbacks.networks._generic.filters import HASHING, text_of

_MACRO = (
    r"(?P<own>\$)?\{\{(?P<double>[^{}]*)\}\}"  # {{name}} means {name}
    r"|(?P<variable>\$)?\{(?P<single>[^{}]*)\}"
)
_BRACES = re.compile(_MACRO)
_BRACES_AND_BRACKETS = re.compile(rf"{_MACRO}|\[(?P<bracket>[^\[\]]*)\]")
_FORM = re.compile(
    r"(?P<raw>_?)(?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*)(?P<filters>(?:\|[^|]*)*)"
).fullmatch


class Mistake(ValueError):
    """What is wrong with a template: ``"no such macro: {foo}"``."""


class Macro(NamedTuple):
    """One macro of a template."""

    name: str  # "email", "properties.plan"
    filters: tuple[tuple[str, str], ...]  # name and argument, in order
    raw: bool  # its value is not encoded
    expression: str  # "email|sha256_email": macros of one expression have one value

    @property
    def is_hashed(self) -> bool:
        """Whether a filter hashes it."""
        return any(name in HASHING for name, _ in self.filters)


Template = tuple[str | Macro, ...]
Known = Callable[[str], bool]


def parsed(text: str, known: Known, *, brackets: bool = False) -> Template:
    """The parts of a template's text; raises Mistake.

    ``known``: whether there is a macro of that name; ``brackets``: ``[name]`` is a macro, too.
    """
    parts: list[str | Macro] = []
    end = 0
    for match in (_BRACES_AND_BRACKETS if brackets else _BRACES).finditer(text):
        macro = _macro(match, known)
        if macro is not None:
            parts += [text[end : match.start()], macro]
            end = match.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _macro(match: re.Match[str], known: Known) -> Macro | None:
    groups = match.groupdict()
    inner = next(text for name in ("double", "single", "bracket") if (text := groups.get(name)) is not None)
    form = _FORM(inner)
    if form is None:
        return None  # JSON in a body, for example
    name = form["name"]
    if not known(name):
        if not known(name.lower()):
            if name != name.lower() or groups.get("variable") or groups.get("own"):
                return None  # no name of ours, or a variable of the environment
            raise Mistake(f"no such macro: {{{name}}}; if it is yours, add it to constants or secrets")
        name = name.lower()
    if groups.get("variable") or groups.get("own"):
        raise Mistake(f"${{{name}}} is a variable of the environment; write {{{name}}} for the macro")
    filters = tuple(
        (filter_name.strip(), argument)
        for each in form["filters"].split("|")[1:]
        for filter_name, _, argument in [each.partition(":")]
    )
    is_raw = bool(form["raw"]) or ("raw", "") in filters
    filters = tuple(each for each in filters if each[0] != "raw")
    return Macro(name, filters, is_raw, "|".join([name, *(":".join(filter(None, each)) for each in filters)]))


def macros(template: Any) -> Iterator[Macro]:
    """The macros of a template, or of the templates in lists and objects."""
    if isinstance(template, Macro):
        yield template
    elif isinstance(template, Mapping):
        for member in template.values():
            yield from macros(member)
    elif isinstance(template, (tuple, list)):
        for member in template:
            yield from macros(member)


def split(template: Template, separator: str, most: int = -1) -> list[Template]:
    """The template cut where its literal text has the separator, at the first ``most`` of them."""
    pieces: list[list[str | Macro]] = [[]]
    for part in template:
        if isinstance(part, Macro):
            pieces[-1].append(part)
            continue
        first, *others = part.split(separator, max(most - len(pieces) + 1, 0) if most >= 0 else -1)
        pieces[-1].append(first)
        pieces += [[other] for other in others]
    return [tuple(part for part in piece if part != "") for piece in pieces]


class Pair(NamedTuple):
    """A name and its value in a query or a form; without an equals sign ``value`` is None."""

    name: Template
    value: Template | None


def pairs(template: Template) -> list[Pair]:
    """The pairs of a query's template."""
    cut = (split(piece, "=", 1) for piece in split(template, "&") if piece)
    return [Pair(name, rest[0] if rest else None) for name, *rest in cut]


Encode = Callable[[str], str]
Values = Callable[[Macro], JSON]
"""The value of a macro; None: it is missing."""


class Place(NamedTuple):
    """How values are written where they stand; ``raw``: those that are not to be encoded."""

    encode: Encode
    raw: Encode = str


PLAIN = Place(str)


def filled(template: Template, values: Values, place: Place) -> str:
    """The template's text; what is missing is empty."""
    return "".join([part if isinstance(part, str) else _written(part, values, place) for part in template])


def _written(macro: Macro, values: Values, place: Place) -> str:
    text = text_of(values(macro))
    return place.raw(text) if macro.raw else place.encode(text)


def in_place(template: Template, encode: Encode) -> Template:
    """The template with its own text encoded."""
    return tuple(encode(part) if isinstance(part, str) else part for part in template)


def sole(template: Template) -> Macro | None:
    """The macro that a template consists of; None where it has more, or other text."""
    return template[0] if len(template) == 1 and isinstance(template[0], Macro) else None


def is_missing(template: Template, values: Values) -> bool:
    """Whether a template is macros alone, and each of them is missing."""
    return bool(template) and all(isinstance(part, Macro) and values(part) is None for part in template)


def filled_pairs(listed: Sequence[Pair], values: Values, place: Place, *, drop: bool) -> list[str]:
    """``name=value`` of each pair; ``drop``: without those that are only a missing macro."""
    told: list[str] = []
    for name, value in listed:
        if value is None:
            told.append(filled(name, values, place))
            continue
        if drop and is_missing(value, values):
            continue
        told.append(f"{filled(name, values, place)}={filled(value, values, place)}")
    return told

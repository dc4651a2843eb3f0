"""The setting ``rows``: what a row of a source means, by what it holds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.paths import ABSENT, BadPath, Path, spellings_of
from target_adpostbacks.rules.expressions import Expression, Refused, plain, tree_of

READS: Mapping[str, str] = {"at": "what is at the first of its paths where there is something", "total": "a sum"}
"""What an expression of a row may call beside the functions of rules, with paths as texts."""
MAX_SHAPES = 1_000


class Asked(NamedTuple):
    """``at("refunds[0].total", "…")``: something of the row itself."""

    function: str
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """As which name it stands in an expression: one that no column has."""
        return f"{self.function}:" + "\n".join(self.paths)

    @classmethod
    def of(cls, name: str) -> Asked | None:
        """What a name of an expression asks for; None: it is a column."""
        function, colon, texts = name.partition(":")
        return cls(function, tuple(texts.split("\n"))) if colon else None

    def parsed(self) -> list[Path]:
        """Its paths. Raises BadPath."""
        return [Path(text, every=self.function == "total") for text in self.paths]


class RowExpression(Expression):
    """An expression about a row: its names are columns as they were mapped, ``at`` and ``total`` read the row."""

    def _parsed(self, text: str) -> ast.expr:
        return tree_of(text, _Reads().visit)

    @property
    def asked(self) -> list[Asked]:
        """What it reads of the row itself."""
        return [asked for name in sorted(self.names) if (asked := Asked.of(name))]

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [name for name in sorted(self.names) if not Asked.of(name)]


class _Reads(ast.NodeTransformer):
    """Puts a name in place of each call that reads the row, so that a path is looked at once."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if not isinstance(function, ast.Name) or function.id not in READS:
            return self.generic_visit(node)
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if node.keywords or not texts or len(texts) < len(node.args):
            raise Refused(f"{function.id} takes paths as texts: {function.id}('refunds[0].created_at')")
        if function.id == "total" and len(texts) > 1:
            raise Refused("total takes one path: total('refunds[].total')")
        asked = Asked(function.id, tuple(texts))
        try:
            asked.parsed()
        except BadPath as bad:
            raise Refused(f"{function.id}: {bad}") from None
        return ast.copy_location(ast.Name(asked.name, ast.Load()), node)


class RowRule(NamedTuple):
    """One of a source's rows, checked."""

    path: str  # sources.mine.rows[0]
    name: str
    when: RowExpression | None = None  # None: always
    sends: bool = True
    event: str = ""
    constants: Mapping[str, Any] = {}
    computed: Mapping[str, RowExpression] = {}
    goes_on: bool = False  # those behind it are tried, too

    @property
    def adjusts(self) -> bool:
        """Whether it makes a correction."""
        return "adjustment" in self.constants or "adjustment" in self.computed

    def expressions(self) -> Iterator[tuple[str, RowExpression]]:
        """Each with its key."""
        if self.when:
            yield "when", self.when
        for column, expression in self.computed.items():
            yield f"compute.{column}", expression


Look = Callable[[Mapping[str, Any]], Any]


class Lookups:
    """What expressions ask of a row, for each set of columns that rows have. Can be pickled."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = {each.name: (each.function, each.parsed()) for each in asked}
        self._looks: dict[tuple[str, ...], dict[str, Look]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_looks": {}}

    def of(self, record: Mapping[str, Any]) -> dict[str, Look]:
        """How each is looked up in a record with these columns."""
        names = tuple(record)
        looks = self._looks.get(names)
        if looks is None:
            if len(self._looks) >= MAX_SHAPES:
                self._looks.clear()
            spellings = spellings_of(names)
            looks = self._looks[names] = {
                name: _total(paths[0]) if function == "total" else _first_of(paths, names, spellings)
                for name, (function, paths) in self._asked.items()
            }
        return looks


def _first_of(paths: Sequence[Path], names: Sequence[str], spellings: Mapping[str, str]) -> Look:
    readers = [reader for path in paths if (reader := path.reader(names, spellings))]

    def look(record: Mapping[str, Any]) -> Any:
        for read in readers:
            value = read(record)
            if value is ABSENT or value is None or (value.__class__ is str and (not value or value.isspace())):
                continue
            return plain(value)
        return None

    return look


def _total(path: Path) -> Look:
    def look(record: Mapping[str, Any]) -> Any:
        return plain(sum(map(_amount, path.every_value(record)), Decimal(0)))

    return look


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    try:
        amount = Decimal(str(value).strip() or "0")
    except InvalidOperation:
        raise TypeError from None
    if not amount.is_finite():
        raise TypeError
    return amount


class RowValues(dict[str, Any]):
    """What the names of a row's expressions mean."""

    def __init__(self, columns: Mapping[str, Any], record: Mapping[str, Any], looks: Mapping[str, Look]) -> None:
        super().__init__()
        self._columns, self._record, self._looks = columns, record, looks

    def __missing__(self, name: str) -> Any:
        look = self._looks.get(name)
        value = self[name] = plain(self._columns.get(name)) if look is None else look(self._record)
        return value


def evaluated(rule: RowRule, key: str, expression: RowExpression, values: RowValues) -> Any:
    """What it comes to. Raises InvalidConversion, which shows no value."""
    try:
        return expression.value(values)
    except Exception as error:  # noqa: BLE001 - whatever data does to an expression; the error's text may hold values
        raise InvalidConversion(rule.name, f"{key}: {type(error).__name__}") from None

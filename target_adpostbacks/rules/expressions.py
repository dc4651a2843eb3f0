"""The language of the rules: a small part of Python's expressions, checked whole before anything is sent."""

from __future__ import annotations

import ast
import hashlib
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from simpleeval import SimpleEval, safe_mult  # type: ignore[import-untyped]

MAX_TEXT = 1_000
"""Characters of an expression."""
MAX_DEPTH = 40
"""How deep its parts stand in each other."""
MAX_LENGTH = 100_000
"""Characters of a text, or members of a list, in whatever it works with."""
MAX_BITS = 4_096
"""Of a whole number."""
MAX_DIGITS = 15
"""After the point, in ``round``."""


class Refused(ValueError):
    """Why a text is no expression: the place, the rule and the next step, never the text."""


class TooLarge(ValueError):
    """A number or a text that has grown past what an expression may work with."""


class Expression:
    """A text that can be evaluated, again and again. Raises Refused where it is none. Can be pickled.

    ``names``: the columns that it asks for.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = self._parsed(text)
        self.names = frozenset(node.id for node in _operands(self.tree) if isinstance(node, ast.Name))
        self._evaluator = _Evaluator()
        self._try_constants(self.tree)

    def _parsed(self, text: str) -> ast.expr:
        return tree_of(text)

    @property
    def is_constant(self) -> bool:
        """Whether it has the same value for every record."""
        return not self.names

    def _try_constants(self, node: ast.AST) -> None:
        """Evaluate once what no record changes. Raises Refused where that fails."""
        if isinstance(node, ast.expr):
            try:
                if _is_constant(node):
                    self._evaluator.value(node, {})
                    return
                self._evaluator.try_method(node)
            except Exception as error:  # noqa: BLE001 - of whatever type
                place = _place(_line(self.text), getattr(node, "col_offset", 0))
                raise Refused(f"{place}fails for every record, {type(error).__name__}; correct this part") from None
        method = node.func if isinstance(node, ast.Call) else None
        for child in ast.iter_child_nodes(node):
            self._try_constants(child.value if child is method and isinstance(child, ast.Attribute) else child)

    def value(self, columns: Mapping[str, Any]) -> Any:
        """Its value, where ``columns`` has something for every name. Raises whatever goes wrong."""
        return self._evaluator.value(self.tree, columns)

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return type(self), (self.text,)


def plain(value: Any) -> Any:
    """A ``Decimal`` as a whole number or a float, which other numbers can be calculated with; all else as it is."""
    if value.__class__ is not Decimal:
        return value
    is_whole = value.is_finite() and abs(value) < 2**53 and value == int(value)
    return int(value) if is_whole else float(value)


def _text(value: Any) -> str:
    if isinstance(value, (str, int, float, datetime)):
        return str(value)
    raise TypeError


def _whole(value: Any) -> int:
    if isinstance(value, (str, int, float)):
        return int(value)
    raise TypeError


def _number(value: Any) -> float:
    if isinstance(value, (str, int, float)):
        return float(value)
    raise TypeError


def _length(value: Any) -> int:
    return len(value)


def _rounded(value: Any, digits: int = 0) -> float:
    if isinstance(value, (int, float)) and abs(digits) <= MAX_DIGITS:
        return round(value, digits)
    raise TypeError


def _hashed(name: str) -> Callable[[Any], str]:
    def hexadecimal(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError
        return hashlib.new(name, str(value).encode(), usedforsecurity=False).hexdigest()

    return hexadecimal


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "len": _length,
    "round": _rounded,
    "md5": _hashed("md5"),
    "sha256": _hashed("sha256"),
}
MOST_VALUES = {"round": 2}
"""How many values a function takes; one, if it does not stand here."""

METHODS = frozenset(
    "lower upper strip lstrip rstrip casefold capitalize title startswith endswith removeprefix removesuffix replace "
    "split rsplit partition rpartition find rfind count isalpha isalnum isdigit isdecimal isnumeric isspace islower "
    "isupper".split()
)
"""Of texts. None makes a text much longer, but ``replace``, which is bounded."""


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > MAX_BITS or (isinstance(base, int) and base.bit_length() * abs(exponent) > MAX_BITS):
        raise TooLarge
    return base**exponent


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):  # a text's % is a way to format
        raise TypeError
    return left % right


def _difference(left: Any, right: Any) -> Any:
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left - right).total_seconds()
    return left - right


def _replaced(text: str, old: str, new: str) -> str:
    if len(text) + text.count(old) * len(new) > MAX_LENGTH:
        raise TooLarge
    return text.replace(old, new)


def _of_text(text: str, method: str, values: Sequence[Any]) -> Any:
    """What a method of a text comes to; a list of texts is one of several beginnings or ends."""
    if method == "replace":
        return _replaced(text, *values)
    return getattr(text, method)(*[tuple(value) if value.__class__ is list else value for value in values])


def _bounded(value: Any) -> Any:
    """A value that a part has made: none grows without end."""
    kind = value.__class__
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise TooLarge
    elif kind is complex:
        raise TypeError
    elif (kind is str or kind is list) and len(value) > MAX_LENGTH:
        raise TooLarge
    return value


OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: _difference,
    ast.Mult: safe_mult,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _remainder,
    ast.Pow: _power,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.In: lambda member, members: member in members,
    ast.NotIn: lambda member, members: member not in members,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class _Evaluator(SimpleEval):  # type: ignore[misc]
    """Evaluates what ``tree_of`` lets through, and nothing else."""

    nodes: dict[Any, Any]

    def __init__(self) -> None:
        super().__init__(operators=OPERATORS, functions=FUNCTIONS, names={})
        own: dict[type[ast.AST], Callable[[Any], Any]] = {
            ast.Name: self._name,
            ast.BinOp: self._calculated,
            ast.Call: self._called,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.List: self._list,
            ast.Tuple: self._list,
        }
        self.nodes = {kind: evaluate for kind, evaluate in self.nodes.items() if kind in NODES} | own

    def value(self, tree: ast.expr, names: Mapping[str, Any]) -> Any:
        """What the tree comes to."""
        self.names = names
        return self._eval(tree)

    def _eval(self, node: ast.AST) -> Any:
        """A part's value. simpleeval looks for modules and functions in each one, which no part here can give."""
        return self.nodes[node.__class__](node)

    def _calculated(self, node: ast.BinOp) -> Any:
        return _bounded(OPERATORS[node.op.__class__](self._eval(node.left), self._eval(node.right)))

    def _name(self, node: ast.Name) -> Any:
        return self.names[node.id]

    def _list(self, node: ast.List | ast.Tuple) -> list[Any]:
        return [self._eval(member) for member in node.elts]

    def _attribute(self, node: ast.Attribute) -> Any:
        return self._inside(self._eval(node.value), node.attr)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self._inside(self._eval(node.value), self._eval(node.slice))

    def _inside(self, value: Any, key: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Mapping):
            return plain(value.get(key))
        if isinstance(value, (str, list, tuple)):
            return plain(value[key])
        raise TypeError

    def _called(self, node: ast.Call) -> Any:
        values = [self._eval(value) for value in node.args]
        if isinstance(node.func, ast.Name):
            return _bounded(FUNCTIONS[node.func.id](*values))
        assert isinstance(node.func, ast.Attribute)  # noqa: S101 - tree_of has looked
        text = self._eval(node.func.value)
        if not isinstance(text, str):
            raise TypeError
        return _of_text(text, node.func.attr, values)

    def try_method(self, node: ast.expr) -> None:
        """Call a method whose values are constants with a text, to see whether it takes them. Raises whatever fails."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and all(map(_is_constant, node.args)):
            _of_text("", node.func.attr, [self._eval(value) for value in node.args])


NODES = frozenset(
    {
        *(ast.Name, ast.Constant, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp),
        *(ast.Call, ast.Attribute, ast.Subscript, ast.Slice, ast.List, ast.Tuple),
    }
)
"""What an expression is made of."""
_BESIDE = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


def tree_of(text: str, replace: Callable[[ast.expr], ast.expr] = lambda tree: tree) -> ast.expr:
    """The tree of an expression; ``replace``: puts other parts into it before they are looked at. Raises Refused."""
    if len(text) > MAX_TEXT:
        raise Refused(f"longer than {MAX_TEXT} characters; split it into several rules")
    line = _line(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = replace(ast.parse(line.strip(), mode="eval").body)
    except Refused:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("not an expression; docs/rules.md has examples") from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        for node in level:
            if problem := _problem(node):
                raise Refused(_place(line, getattr(node, "col_offset", 0)) + problem)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise Refused("too many parts inside each other; split it into several rules")
    return tree


def _line(text: str) -> str:
    return " ".join(text.split("\n"))


def _place(line: str, offset: int) -> str:
    return f"character {offset + len(line) - len(line.lstrip()) + 1}: " if line.isascii() else ""


def _problem(node: ast.AST) -> str:
    """Why a part is refused; empty: it is not."""
    if isinstance(node, _BESIDE):
        is_unknown = not isinstance(node, (ast.boolop, ast.expr_context)) and type(node) not in OPERATORS
        return "no such operator here; there are + - * / // % ** and comparisons" if is_unknown else ""
    if type(node) not in NODES:
        return "not allowed in an expression; it compares, calculates and calls the functions of docs/rules.md"
    if isinstance(node, ast.Name) and node.id.startswith("_"):
        return "a name may not begin with _"
    if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        return "an attribute may not begin with _"
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, int, float, type(None))):
        return "only texts, numbers, True, False and None can be written here"
    return _problem_of_call(node) if isinstance(node, ast.Call) else ""


def _problem_of_call(node: ast.Call) -> str:
    if node.keywords:
        return "values are passed in their order here, without names"
    if isinstance(node.func, ast.Name):
        name = node.func.id
        if name not in FUNCTIONS:
            return f"no such function; there are {', '.join(FUNCTIONS)}"
        most = MOST_VALUES.get(name, 1)
        return (
            "" if 1 <= len(node.args) <= most else f"{name} takes {'one value' if most == 1 else 'one or two values'}"
        )
    if isinstance(node.func, ast.Attribute):
        return "" if node.func.attr in METHODS else f"no such method; texts have {', '.join(sorted(METHODS))}"
    return "only a function or a method of a text can be called"


def _operands(tree: ast.expr) -> list[ast.AST]:
    """Every part but the names of functions and methods."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return [node for node in ast.walk(tree) if id(node) not in called]


def _is_constant(tree: ast.expr) -> bool:
    return not any(isinstance(node, ast.Name) for node in _operands(tree))

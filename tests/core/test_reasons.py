"""Every reason that the code gives is explained, and every reason that is explained is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from target_adpostbacks.core.answers import Verdict
from target_adpostbacks.core.reasons import REASONS, STATUSES, Reason

PACKAGE = Path(__file__).parents[2] / "target_adpostbacks"
SLUG = re.compile(r"[a-z]+(_[a-z]+)*").fullmatch


def trees() -> list[ast.Module]:
    """The package's code, but the sandbox's, which speaks for the networks, and the explanations themselves."""
    paths = [
        path
        for path in PACKAGE.rglob("*.py")
        if "sandbox" not in path.relative_to(PACKAGE).parts and path.name != "reasons.py"
    ]
    return [ast.parse(path.read_text()) for path in paths]


def texts(nodes: Iterable[ast.AST]) -> set[str]:
    """Every text in these pieces of code."""
    constants = [node for piece in nodes for node in ast.walk(piece) if isinstance(node, ast.Constant)]
    return {node.value for node in constants if isinstance(node.value, str)}


def given() -> set[str]:
    """The reasons of a Skip, of a row for what is skipped, of an outcome, and of each verdict that is not final."""
    reasons = {verdict.value for verdict in Verdict if not verdict.final}
    for call in (node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        reasons |= texts(keyword.value for keyword in call.keywords if keyword.arg == "reason")
        if name.lower().strip("_") in ("skip", "skipped"):
            reasons |= texts(node for node in call.args if isinstance(node, ast.Constant))
    return {reason for reason in reasons if SLUG(reason)} - STATUSES.keys()


def test_every_reason_that_the_code_gives_is_explained() -> None:
    assert {"organic", "unconfirmed", "no_answer"} < given()
    assert given() <= REASONS.keys()


def test_every_reason_that_is_explained_stands_in_the_code() -> None:
    written = {verdict.value for verdict in Verdict} | {text.removeprefix("open ") for text in texts(trees())}
    assert REASONS.keys() <= written


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.name)
def test_a_reason_is_explained_in_sentences(reason: Reason) -> None:
    assert reason.status in STATUSES
    for sentence in (reason.sentence, reason.advice):
        assert sentence[0].isupper()
        assert sentence.endswith(".")

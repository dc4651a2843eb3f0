"""Every field of the full golden requests, broken in turn."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from sandbox_calls import VECTORS, Keys, at, changed, golden, post, refusals

from target_adpostbacks.sandbox import Sandbox

WRONG: dict[type, list[Any]] = {
    str: [None, 7, {}, ""],
    int: [None, "7", 1.5, -1, 10**20],
    float: [None, "7", True],
    bool: [None, "true", 1],
    list: [None, {}, "x", [None]],
    dict: [None, [], "x", {"surplus": "x"}],
}
"""The forms that no field of a type may have; ``surplus`` stands for a key too many."""
FULL = [(network, name) for network, vectors in VECTORS.items() for name in vectors["full"]]


def fields(value: Any, path: Keys = ()) -> Iterator[Keys]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inside:
        yield from fields(member, (*path, key))


def also_taken(network: str, name: str, path: Keys) -> list[Any]:
    """The forms of a field that the network takes although they look wrong."""
    dotted = ".".join(map(str, path))
    return [
        form for pattern, forms in VECTORS[network]["full"][name].items() if fnmatch(dotted, pattern) for form in forms
    ]


def broken(body: Any, path: Keys, form: Any) -> Any:
    if form == {"surplus": "x"}:
        return changed(body, path, {**at(body, path), **form})
    return changed(body, path, form)


@pytest.mark.parametrize(("network", "name"), FULL)
def test_the_full_request_is_sound(sandbox: Sandbox, network: str, name: str) -> None:
    post(network, sandbox, golden(network, name)["body"], of=name)
    assert refusals(sandbox, network) == {}
    assert len(sandbox.received + sandbox.test_events) == 1


@pytest.mark.parametrize(
    ("network", "name", "path"),
    [
        pytest.param(network, name, path, id=".".join(map(str, (f"{network}-{name}", *path))))
        for network, name in FULL
        for path in fields(golden(network, name)["body"])
    ],
)
def test_a_field_in_a_wrong_form_is_refused(sandbox: Sandbox, network: str, name: str, path: Keys) -> None:
    body = golden(network, name)["body"]
    taken = also_taken(network, name, path)
    for form in WRONG[type(at(body, path))]:
        sandbox.reset()
        post(network, sandbox, broken(body, path, form), of=name)
        assert bool(refusals(sandbox, network)) == (form not in taken), form
        assert bool(sandbox.received + sandbox.test_events) == (form in taken), form

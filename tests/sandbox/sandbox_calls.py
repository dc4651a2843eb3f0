"""The golden requests of every network, to be sent to the sandbox with what a test changes in them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

FILES = files("target_adpostbacks") / "vectors"
VECTORS = {network: json.loads((FILES / f"{network}.json").read_text("utf-8")) for network in SANDBOX_NETWORKS}
NOW = datetime(2026, 11, 20, 12, 5, tzinfo=timezone.utc)  # of every golden request
SECONDS = 1795176000
EMAIL = hashlib.sha256(b"user@example.com").hexdigest()

A_TOKEN = {"Authorization": "Bearer good"}
"""For a network whose golden requests have no token: it gives one to those who sign in."""

JSON = Any
Event = dict[str, Any]
Keys = tuple[Any, ...]


def a_sandbox(**changes: Any) -> Sandbox:
    return Sandbox(**{"now": lambda: NOW, **changes})


def golden(network: str, name: str | None = None) -> Any:
    """A golden request by its name, the minimal one without."""
    vectors = VECTORS[network]
    (row,) = [row for row in vectors["requests"] if row["name"] == (name or vectors["minimal"])]
    return copy.deepcopy(row["expect"][0])


def endpoint(network: str) -> str:
    """The path that its golden requests go to."""
    url: str = golden(network)["url"]
    return urlsplit(url).path


def path_of(dotted: str) -> Keys:
    """``'data.1.user'`` -> ``('data', 1, 'user')``."""
    return tuple(int(key) if key.isdecimal() else key for key in dotted.split(".") if key)


def at(value: JSON, path: Keys) -> JSON:
    for key in path:
        value = value[key]
    return value


def changed(value: JSON, path: Keys, new: JSON) -> JSON:
    """A copy of ``value`` with ``new`` at ``path``."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, list):
        return [changed(member, tuple(rest), new) if n == key else member for n, member in enumerate(value)]
    return {**value, key: changed(value.get(key), tuple(rest), new)}


def without(value: JSON, *path: Any) -> JSON:
    """A copy of ``value`` that lacks the key at the end of ``path``."""
    holder = {key: member for key, member in at(value, path[:-1]).items() if key != path[-1]}
    return changed(value, path[:-1], holder)


def events_at(network: str, body: JSON) -> Keys:
    """Where a body has its events: the vectors name one place, or several of which it has one."""
    places = VECTORS[network]["events_at"]
    return next(path for path in map(path_of, [places] if isinstance(places, str) else places) if path[0] in body)


def an_event(network: str, event_id: Any = "evt-1", *, of: str | None = None, **changes: Any) -> Event:
    """The event of a golden request, with ``changes``."""
    vectors = VECTORS[network]
    body = golden(network, of)["body"]
    event = at(body, events_at(network, body))[0]
    return {**changed(event, path_of(vectors["event_id_at"]), event_id), **changes}


def a_body(network: str, *events: Any, **changes: Any) -> dict[str, Any]:
    """The body of the minimal golden request with these events, and ``changes`` beside them."""
    body = golden(network)["body"]
    *holder, key = events_at(network, body)
    return dict(changed(body, tuple(holder), {**at(body, tuple(holder)), key: list(events), **changes}))


def post(
    network: str,
    sandbox: Sandbox,
    body: JSON,
    *,
    of: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    path: str | None = None,
    timeout: float = 60,
) -> requests.Response:
    """Sends ``body`` as the golden request is sent, with these headers and parameters over its own."""
    request = golden(network, of)
    url = urlsplit(request["url"])
    token = {} if "X-Pixel-Token" in request["headers"] else A_TOKEN
    return requests.post(
        sandbox.url + (path or url.path),
        params={**dict(parse_qsl(url.query)), **(query or {})},
        json=body,
        headers={**token, **request["headers"], **(headers or {})},
        timeout=timeout,
        allow_redirects=False,
    )


def refusals(sandbox: Sandbox, network: str) -> dict[str, int]:
    """Code to count."""
    return dict(sandbox.stats()["networks"][network]["refused"])


tiktok_event, reddit_event, meta_event = (partial(an_event, network) for network in ("tiktok", "reddit", "meta"))
snapchat_event = partial(an_event, "snapchat", event_source_url="https://play.example.com/")
tiktok_body, reddit_body, meta_body, snapchat_body = (
    partial(a_body, network) for network in ("tiktok", "reddit", "meta", "snapchat")
)


def to_tiktok(
    sandbox: Sandbox, body: JSON, *, headers: Mapping[str, str] | None = None, **how: Any
) -> requests.Response:
    return post("tiktok", sandbox, body, headers={"Access-Token": "good", **(headers or {})}, **how)


def to_reddit(
    sandbox: Sandbox, body: JSON, *, headers: Mapping[str, str] | None = None, **how: Any
) -> requests.Response:
    return post("reddit", sandbox, body, headers={"Authorization": "Bearer good", **(headers or {})}, **how)


def to_meta(sandbox: Sandbox, body: JSON, *, headers: Mapping[str, str] | None = None, **how: Any) -> requests.Response:
    return post("meta", sandbox, body, headers={"Authorization": "Bearer good", **(headers or {})}, **how)


def to_snapchat(sandbox: Sandbox, body: JSON, *, token: str = "good", **how: Any) -> requests.Response:
    return post("snapchat", sandbox, body, query={"access_token": token}, **how)

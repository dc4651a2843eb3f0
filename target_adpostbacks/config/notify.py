"""The setting ``notify``: a webhook that is called at a run's end, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from target_adpostbacks.config.values import description, read_level, struct_fields, unknown
from target_adpostbacks.core.settings import Percentage, doc, is_loopback


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody is told. Each is judged as ``adpostbacks health`` does."""

    credential_failures: Annotated[
        bool, doc("An account's newest answer refused its credentials. Default: yes; false: never.")
    ] = True
    rejected_percent: Annotated[
        Percentage | None,
        doc(
            "More than this percentage of what an account's network decided on in the last 24 hours was rejected, of 20"
            " conversions or more (`rejected_of` of the setting `health`). Default: 10; null: never."
        ),
    ] = 10
    open_money: Annotated[
        Mapping[str, float],
        doc('More than this is open in a currency, in all accounts together: `{"USD": 1000}`. Default: never.'),
    ] = {}


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and when it is called."""

    url: Annotated[
        str,
        doc(
            "URL of the webhook, of Slack for example: https, or http to this machine.",
            where="Slack → your app → Incoming Webhooks → Webhook URL",
            example="https://hooks.example.com/adpostbacks",
            secret=True,
        ),
    ]
    on: Annotated[Conditions, doc("When it is called: any of these.")] = Conditions()


def read_notify(raw: Any, mistakes: list[str]) -> Notify | None:
    """The setting; None where it is left out or empty, and where something is wrong, which is added to ``mistakes``."""
    if raw is None or raw == {}:
        return None
    if not isinstance(raw, Mapping):
        mistakes.append("notify: an object expected, with `url` and `on`")
        return None
    found: list[str] = []
    raw = {"on" if name in (True, "true") else name: value for name, value in raw.items()}  # YAML makes true of it
    conditions = raw.get("on")
    if conditions is not None and not isinstance(conditions, Mapping):
        found.append("notify.on: an object expected, for example `{rejected_percent: 10}`")
        conditions = None
    own = {name: value for name, value in raw.items() if name != "on"}
    settings = _level("notify.", Notify, own, found)
    on = _level("notify.on.", Conditions, conditions or {}, found)
    if "url" in settings:
        found += _problems_of_url(settings["url"])
    elif not found:
        (url,) = (field for field in struct_fields(Notify) if field.name == "url")
        found.append(f"notify.url: missing. {description(url.type)}")
    found += _problems_of_money(on.get("open_money", {}))
    mistakes += found
    return None if found else Notify(**settings, on=Conditions(**on))


def _level(path: str, settings: type[msgspec.Struct], raw: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    names = {field.name for field in struct_fields(settings)}
    mistakes += [unknown(f"{path}{name}", name, names) for name in raw if name not in names]
    return read_level(path, settings, raw, mistakes).values


def _problems_of_url(url: str) -> Iterable[str]:
    """Never a part of it: its path is what lets anybody write there."""
    if re.search(r"[^!-~]", url):
        yield "notify.url: contains white space or a character that cannot be sent; copy it again"
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.username or parts.password or parts.fragment or parts.scheme not in ("http", "https"):
        yield "notify.url: not a webhook's URL; https, a host and a path expected, without user and `#`"
    elif parts.scheme == "http" and not is_loopback(host):
        yield "notify.url: plain http is for this machine only (127.0.0.1); use https"


def _problems_of_money(limits: Mapping[str, float]) -> Iterable[str]:
    for currency, limit in limits.items():
        if not re.fullmatch(r"[A-Z]{3}", currency):
            yield f"notify.on.open_money.{currency}: not a currency; its ISO 4217 code expected, for example `USD`"
        elif not limit >= 0:
            yield f"notify.on.open_money.{currency}: a number from 0 expected"

"""A network and its vectors: what every promise of the contract is asked of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from conftest import COLUMNS

from target_adpostbacks.config.values import read_level
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Request
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.record import parse
from target_adpostbacks.networks import NETWORKS

SOURCES = ("web", "app", "offline", "crm")
PAGE = "https://shop.example.com/"
PERSONAL = {
    "email": "canary.person@example.com",
    "phone": "+1 415 555 0142",
    "external_id": "Canary-Customer-7",
    "first_name": "Canaryfirst",
    "last_name": "Canarylast",
    "gender": "Canarygender",
    "date_of_birth": "1990-05-17",
    "city": "Canarycity",
    "state": "Canarystate",
    "postal_code": "CNR 1AA",
    "country": "LI",
    "ip_address": "203.0.113.77",
    "user_agent": "Canary/5.0",
    "language": "rm_CH",
    "advertising_id": "AAAAAAAA-0000-4000-8000-00000000CAFE",
    "idfa": "BBBBBBBB-0000-4000-8000-00000000CAFE",
    "gaid": "CCCCCCCC-0000-4000-8000-00000000CAFE",
    "idfv": "DDDDDDDD-0000-4000-8000-00000000CAFE",
    "device_model": "CanaryPhone 9",
    "device_brand": "CanaryMaker",
    "carrier": "Canary Mobile",
    "timezone": "Europe/Vaduz",
    "lead_id": "canary-lead-7",
    "att_status": "AUTHORIZED",
}


FILTERED = frozenset({"normalize", "match_keys", "responses", "requests"})


def api_of(row: Mapping[str, Any]) -> str:
    """The API that a row of the vectors is about; empty: any."""
    return str(row.get("api") or row.get("settings", {}).get("api", ""))


@dataclass(frozen=True)
class Subject:
    """A network, and ``api``: which of its APIs, where it has several.

    ``vectors``: its tables as data, see ``target_adpostbacks/vectors/``, but for the rows of its other APIs; ``whole``:
    with them.
    """

    network_type: type[Network[Any]]
    whole: Mapping[str, Any]
    api: str = ""

    @cached_property
    def vectors(self) -> Mapping[str, Any]:
        return {name: self._own(name, table) for name, table in self.whole.items()}

    def _own(self, name: str, table: Any) -> Any:
        """A table without what is about another API: rows of a list, or members of an object that has one for each."""
        if isinstance(table, list) and name in FILTERED:
            return [row for row in table if self._is_own(row)]
        return table[self.api] if isinstance(table, dict) and self.api in table else table

    def _is_own(self, row: Mapping[str, Any]) -> bool:
        """Whether it is about this API; what the endpoint of a token answers is about none."""
        return "endpoint" not in row and api_of(row) in ("", self.api)

    @property
    def name(self) -> str:
        return self.network_type.name

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Those that the tables presuppose: the first of the golden requests' that take most sources."""
        candidates: list[Mapping[str, Any]] = [row["settings"] for row in self.vectors["requests"]]
        return max(candidates, key=lambda settings: len(self.sources(settings)))

    def sources(self, settings: Mapping[str, Any]) -> list[str]:
        """The kinds of source that have an asset."""
        network = network_of(self.account_with(settings))
        return [source for source in SOURCES if network.asset(self.conversion(event_source=source))]

    @cached_property
    def account(self) -> Account:
        return self.account_with(self.settings)

    def account_with(self, settings: Mapping[str, Any]) -> Account:
        """The account that a config with these settings makes."""
        mistakes: list[str] = []
        type_ = self.network_type.settings_type
        preset = self.network_type.own_presets.get(settings.get("preset", ""))
        values = read_level("", type_, {**(preset.settings if preset else {}), **settings}, mistakes).values
        assert mistakes == []
        made = type_(**values)
        return Account(section=self.name, network=self.network_type(made), secrets=made.hidden())

    @property
    def network(self) -> Network[Any]:
        return network_of(self.account)

    @cached_property
    def columns(self) -> Columns:
        return Columns(COLUMNS.ids | {*self.network_type.ids}, exact=COLUMNS.exact)

    def conversion(self, **columns: Any) -> Conversion:
        """A purchase, with these columns."""
        record = {
            "event_name": "purchase",
            "event_id": "evt-1",
            "event_time": "2026-11-20T12:00:00Z",
            "network": self.name,
        }
        return parse({**record, **columns}, self.columns)

    def full_conversion(self, source: str, **columns: Any) -> Conversion:
        """A conversion with every personal column, and what each kind of source asks for."""
        required = {
            "app_id": "343200656",
            "platform": "ios",
            "value": 9.99,
            "currency": "EUR",
            "event_source_url": PAGE,
        }
        click_id = {self.network_type.ids[0]: self.network_type.click_id_example}
        return self.conversion(event_source=source, **{**required, **PERSONAL, **click_id, **columns})

    def envelope(self) -> dict[str, JSON]:
        return self.network.envelope(self.conversion())


def subjects(network: type[Network[Any]]) -> Iterator[Subject]:
    vectors = json.loads((files("target_adpostbacks") / "vectors" / f"{network.name}.json").read_text("utf-8"))
    for api in dict.fromkeys(map(api_of, vectors["requests"])):
        yield Subject(network, vectors, api)


SUBJECTS = [subject for network in NETWORKS.values() for subject in subjects(network)]


def name_of(value: Any) -> str | None:
    """What pytest calls a subject in the id of a test."""
    if not isinstance(value, Subject):
        return None
    return f"{value.name} {value.api}".strip()


every_network = pytest.mark.parametrize("subject", SUBJECTS, ids=name_of)
every_source = pytest.mark.parametrize(
    ("subject", "source"),
    [(subject, source) for subject in SUBJECTS for source in SOURCES if source in subject.network_type.assets],
    ids=name_of,
)
"""Every network, with each kind of source that it takes."""


def network_of(account: Account) -> Network[Any]:
    assert account.network is not None
    return account.network


def payload_of(postback: Postback) -> Any:
    return json.loads(postback.payload)


def body_of(request: Request) -> Any:
    """The body as JSON has it; the text of one that is none."""
    body = request.body if isinstance(request.body, bytes) else msgspec.json.encode(request.body)
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Path to value, of all that is neither an object nor a list."""
    if not isinstance(value, (dict, list)):
        return {path: value}
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return {leaf: held for key, member in members for leaf, held in leaves(member, (*path, key)).items()}

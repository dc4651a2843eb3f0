"""A marketing team's rules: which of them applies to a conversion for an account, and what it makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Elsewhere, Skip
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.properties import tells_of
from target_adpostbacks.core.record import NO_CONSTANTS, parse
from target_adpostbacks.core.rows import Row
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.expressions import Expression, plain

CONSENT = {
    **dict.fromkeys(("consent", "ad_user_data", "ad_personalization", "ad_storage"), False),
    **dict.fromkeys(("limited_data_use", "opt_out", "gpc"), True),
}
"""A column to its value that denies: no rule makes another one of that."""

IDS = frozenset({"event_id", "order_id"})
"""Columns that the ledger keeps as they are."""


class Rule(NamedTuple):
    """One rule of the config, checked."""

    path: str  # tiktok.rules[2]
    name: str  # the user's, else the path
    when: Expression | None = None  # None: always
    sends: bool = True
    event: str = ""
    accounts: tuple[str, ...] = ()  # of its section; empty: it says nothing of accounts
    constants: Mapping[str, Any] = {}
    computed: Mapping[str, Expression] = {}
    properties: Mapping[str, Any] = {}
    computed_properties: Mapping[str, Expression] = {}
    origins: Mapping[str, str] = {}  # of each column that it gives: "rule mine, compute.value"

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Each with its path in the config."""
        if self.when:
            yield f"{self.path}.when", self.when
        for column, expression in self.computed.items():
            yield f"{self.path}.compute.{column}", expression
        for name, expression in self.computed_properties.items():
            yield f"{self.path}.compute.properties.{name}", expression


class Policy(NamedTuple):
    """What an account has of its own."""

    rules: Sequence[Rule]  # in the order in which they are tried
    columns: Columns  # how it reads records


Accounts = Mapping[str, Sequence[Account]]
"""Section → its accounts."""


class Saying(NamedTuple):
    """What an account's settings say."""

    label: str
    rules: Sequence[Rule]
    defaults: Mapping[str, Any]
    constants: Mapping[str, Any]


def columns_of(accounts: Accounts, columns: Columns, defaults: Mapping[str, Any] = NO_CONSTANTS) -> Columns:
    """How every record is read: with the defaults and constants that all accounts share, over these ``defaults``.

    A column that is constant for some accounts alone is left to these: nobody else's record is refused for it.
    """
    sayings = [*_sayings(accounts, defaults)]
    if not sayings:
        return columns
    first, *others = sayings
    is_shared = all(other.defaults == first.defaults for other in others)
    constants = {
        column: value if all(said.constants.get(column) == value for said in sayings) else None
        for each in sayings
        for column, value in each.constants.items()
    }
    return columns.completed(first.defaults if is_shared else columns.defaults, constants)


def rules_of(accounts: Accounts, columns: Columns, defaults: Mapping[str, Any] = NO_CONSTANTS) -> list[Rules]:
    """What the accounts' settings say, for a ``Preparation`` that reads records with these columns; often nothing."""
    policies = {}
    for said in _sayings(accounts, defaults):
        is_common = (said.defaults, said.constants) == (columns.defaults, columns.constants)
        if said.rules or not is_common:
            own = columns if is_common else columns.completed(said.defaults, said.constants)
            policies[said.label] = Policy(said.rules, own)
    return [Rules(policies, columns)] if policies else []


def _sayings(accounts: Accounts, defaults: Mapping[str, Any]) -> Iterator[Saying]:
    for section in accounts.values():
        for account in section:
            if account.network:
                settings: Settings = account.network.settings
                preset = presets.for_network(settings.preset, account.section)
                constants = preset.constants if preset else {}
                left = {column: value for column, value in defaults.items() if column not in settings.defaults}
                own = {**left, **settings.record_defaults}
                yield Saying(account.label, tuple(settings.rules), own, constants)


class Rules:
    """A ``preparation.Rule`` for the accounts that have a policy, by their labels. The first of several rules applies.

    ``columns``: how every record is read. ``names``: each name in an expression, and the paths where it stands.
    """

    def __init__(self, policies: Mapping[str, Policy], columns: Columns) -> None:
        self._policies = policies
        self._columns = columns
        self.names = _names(rule for policy in policies.values() for rule in policy.rules)

    def __call__(self, record: Mapping[str, Any], conversion: Conversion, account: Account) -> Conversion | Skip:
        policy = self._policies.get(account.label)
        if policy is None:
            return conversion
        try:
            if policy.columns is not self._columns:
                conversion = _read_as(policy, record, conversion)
            values = Values(record, conversion, policy.columns, account.network)
            for rule in policy.rules:
                if rule.when is None or _evaluated(rule, "when", rule.when, values):
                    return _applied(rule, values, account)
        except Skip as skip:
            return skip
        return conversion


def _read_as(policy: Policy, record: Mapping[str, Any], conversion: Conversion) -> Conversion:
    try:
        return read_again(record, conversion, policy.columns)
    except InvalidConversion as error:
        raise Skip("invalid", str(error)) from None


def _evaluated(rule: Rule, key: str, expression: Expression, values: Values) -> Any:
    try:
        return expression.value(values)
    except Exception as error:  # noqa: BLE001 - whatever data does to an expression; the error's text may hold values
        raise Skip("invalid", f"rule {rule.name}, {key}: {type(error).__name__}", rule.name) from None


def _applied(rule: Rule, values: Values, account: Account) -> Conversion:
    """What the rule makes of the conversion. Raises Skip."""
    conversion = values.conversion
    if not rule.sends:
        raise Skip("by_rule", rule.name, rule.name)
    if rule.accounts and conversion.account is None and account.name not in rule.accounts:
        raise Elsewhere("by_rule", f"{rule.name}: none of the accounts that it names gets the conversion", rule.name)
    if rule.constants or rule.computed or rule.properties or rule.computed_properties:
        conversion = _with_columns(rule, values)
    changes: dict[str, Any] = {"applied_rule": rule.name, "ruled_columns": rule.origins}
    if rule.event:
        changes |= {"event_name": canonical_event(rule.event), "event_spelling": rule.event, "is_renamed": True}
    return msgspec.structs.replace(conversion, **changes)


def _with_columns(rule: Rule, values: Values) -> Conversion:
    """The conversion with the columns that the rule sets and computes."""
    before = values.conversion
    over = {**rule.constants}
    for column, expression in rule.computed.items():
        over[column] = _evaluated(rule, f"compute.{column}", expression, values)
    if "event_id" in rule.computed and _says_nothing(over["event_id"]):
        raise Skip("invalid", f"rule {rule.name}, compute.event_id: empty; it identifies the conversion", rule.name)
    for column in IDS.intersection(rule.computed):
        if over[column] is not None and tells_of(before, str(over[column])):
            message = (
                f"rule {rule.name}, compute.{column}: holds an e-mail address, a phone number or a name of the person"
            )
            raise Skip("invalid", message, rule.name)
    properties = {**before.properties, **rule.properties}
    for name, expression in rule.computed_properties.items():
        properties[name] = _evaluated(rule, f"compute.properties.{name}", expression, values)
    if rule.properties or rule.computed_properties:
        over["properties"] = properties
    try:
        return read_again(values.record, before, values.columns, over)
    except InvalidConversion as error:
        key = "compute" if error.field in rule.computed else "set"
        raise Skip("invalid", f"rule {rule.name}, {key}.{error.field}: {error.rule}", rule.name) from None


def _says_nothing(event_id: Any) -> bool:
    try:
        return event_id is None or READERS["event_id"]("event_id", event_id) is None
    except InvalidConversion:
        return False  # it says something that is no id


def read_again(
    record: Mapping[str, Any], conversion: Conversion, columns: Columns, constants: Mapping[str, Any] = NO_CONSTANTS
) -> Conversion:
    """The conversion of a record, with constants over its columns. What denies consent stays, and its event id.

    A constant None takes the event id away: it is empty.
    """
    over = {
        column: value
        for column, value in constants.items()
        if column not in CONSENT or getattr(conversion, column, None) is not CONSENT[column]
    }
    loses_id = "event_id" in over and over["event_id"] is None
    if loses_id or "event_id" not in over:
        over["event_id"] = conversion.event_id
    again = parse(record, columns, over=over)
    kept = conversion.derived_ids
    if kept and again.event_id == kept[0]:
        again = msgspec.structs.replace(again, derived_ids=kept)
    if conversion.awaits_original:
        again = msgspec.structs.replace(again, awaits_original=True)
    return msgspec.structs.replace(again, event_id="") if loses_id else again


class Values(dict[str, Any]):
    """What an expression's names mean: the columns of a conversion as parsed, others as the record has them.

    ``network``: whose click id is known by its name, wherever the conversion has it.
    """

    def __init__(
        self, record: Mapping[str, Any], conversion: Conversion, columns: Columns, network: Network[Any] | None
    ) -> None:
        super().__init__()
        self.network = network
        self.record = record
        self.conversion = conversion
        self.columns = columns
        self._mapped: Mapping[str, Any] | None = None

    def __missing__(self, name: str) -> Any:
        value = self[name] = self._found(name)
        return value

    def _found(self, name: str) -> Any:
        conversion = self.conversion
        if name in READERS:
            value = getattr(conversion, name)
            if name in ("email", "phone", "external_id"):
                return value[0] if value else None
            if name == "contents":
                return [msgspec.structs.asdict(item) for item in value]
            return value
        return self._id(name) if name in self.columns.ids else self._raw(name)

    def _id(self, name: str) -> str | None:
        if own := self.conversion.ids.get(name):
            return own
        click = self.network.click(self.conversion) if self.network and name in self.network.click_ids else None
        return click[1] if click and click[0] == name else None

    def _raw(self, name: str) -> Any:
        if self._mapped is None:
            record = self.record
            self._mapped = record.raw if isinstance(record, Row) else self.columns.mapped(record)
        return plain(self._mapped.get(name))


def _names(rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
    places: dict[str, dict[str, None]] = {}
    for rule in rules:
        called = "" if rule.name == rule.path else f" ({rule.name})"
        for path, expression in rule.expressions():
            for name in sorted(expression.names):
                places.setdefault(name, {})[path + called] = None
    return {name: tuple(paths) for name, paths in places.items()}

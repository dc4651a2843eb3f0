"""The configuration: sections and accounts merged, checked without ever echoing a value, and described."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timezone, tzinfo
from functools import cache
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec.structs import fields

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.settings import DELIVERY_SETTINGS, Settings, doc
from target_adpostbacks.networks import NETWORKS

ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9_]*").fullmatch
LOOPBACK = ("localhost", "127.0.0.1", "::1")

struct_fields = cache(fields)  # half a millisecond each, asked for again and again


class InvalidConfig(ValueError):
    """Every mistake in the configuration, a line each: path, rule, next step; never a value."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class General(msgspec.Struct, frozen=True, kw_only=True):
    """The settings at the top of the config."""

    ledger_url: Annotated[
        str | None,
        doc(
            "Database of the ledger, an SQLAlchemy URL: `postgresql+psycopg://…`. Default: the SQLite file"
            " `adpostbacks.db` in the Meltano project, else in the current directory.",
            secret=True,
        ),
    ] = None
    fields: Annotated[
        Mapping[str, str],
        doc('Your own names of columns: `{"event_time": "converted_at", "email": "customer.email"}`.'),
    ] = {}
    default_timezone: Annotated[str, doc("Zone of times that name none, `Europe/Berlin`. Default: UTC.")] = "UTC"
    max_batch_age_seconds: Annotated[
        int, doc("How long a conversion waits for its batch to fill before it is sent. Default: 5.", ge=0, le=3600)
    ] = 5
    results_path: Annotated[
        str | None,
        doc(
            "File for the run's deliveries as Singer messages (SCHEMA, RECORD, STATE), written at its end;"
            " `{run_id}` in it is replaced. `/dev/fd/3` works, standard output does not."
        ),
    ] = None

    ledger_retention_days: Annotated[
        int,
        doc(
            "The ledger forgets requests, runs and what deliveries say beyond identity and status after so many days;"
            " 0: never. Default: 180.",
            ge=0,
            le=36_500,
        ),
    ] = 180
    fail_above_rejected_percent: Annotated[
        float,
        doc(
            "Exit 1 if the networks rejected more than this share of what they judged. Default: 100, never.",
            ge=0,
            le=100,
        ),
    ] = 100

    @property
    def zone(self) -> tzinfo:
        return timezone.utc if self.default_timezone == "UTC" else ZoneInfo(self.default_timezone)


class SdkSettings(msgspec.Struct):
    """Settings that the SDK describes and reads."""

    stream_maps: dict[str, Any] | None = None
    stream_map_config: dict[str, Any] | None = None
    faker_config: dict[str, Any] | None = None
    flattening_enabled: bool | None = None
    flattening_max_depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flattening_max_key_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flattening_separator: str | None = None
    batch_config: dict[str, Any] | None = None
    batch_size_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None


def read(config: Mapping[str, Any]) -> tuple[General, dict[str, list[Account]]]:
    """The general settings and every section's accounts. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    known = {field.name for kind in (General, SdkSettings) for field in struct_fields(kind)}
    known |= NETWORKS.keys() | set(DELIVERY_SETTINGS)
    mistakes += [_unknown(name, name, known) for name in config if name not in known]
    _values(str, SdkSettings, config, mistakes, strict=True)  # the SDK converts nothing
    general = _general(config, mistakes)
    sections: dict[str, list[Account]] = {}
    try:
        sections = accounts(config)
    except InvalidConfig as error:
        mistakes += error.mistakes
    if not mistakes and not sections:
        mistakes.append(f"no network: add a section for one of {', '.join(NETWORKS)}")
    if mistakes:
        raise InvalidConfig(mistakes)
    return general, sections


def accounts(config: Mapping[str, Any]) -> dict[str, list[Account]]:
    """Section → its accounts, of the networks that the config has. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    common = _values(str, Settings, {name: config.get(name) for name in DELIVERY_SETTINGS}, mistakes)
    found = {
        section: list(_section(section, config[section], common, mistakes))
        for section in NETWORKS
        if config.get(section) is not None
    }
    if mistakes:
        raise InvalidConfig(dict.fromkeys(mistakes))  # a section's own mistake would be told for each account
    return found


def hints(sections: Mapping[str, Iterable[Account]]) -> list[str]:
    """What is unusual about the accounts' settings, though it may work."""
    return [
        f"{account.label}.{hint}"
        for section in sections.values()
        for account in section
        if account.network
        for hint in account.network.settings.hints()
    ]


def schema() -> dict[str, Any]:
    """JSON Schema of the config, for ``--about`` and Meltano: it describes, checking is ``read``'s."""
    properties = described(General)
    delivery = {}
    for name, network in NETWORKS.items():
        settings = described(network.settings_type)
        delivery = {field: settings[field] for field in DELIVERY_SETTINGS}
        per_account = {
            "type": "object",
            "description": "Several accounts: your own name for each to the settings that differ.",
            "additionalProperties": {"type": "object", "properties": settings},
        }
        properties[name] = {
            "type": "object",
            "title": name,
            "description": f"Conversions to {name}: present means switched on. {network.docs}",
            "properties": {**settings, "accounts": per_account},
        }
    return {"type": "object", "properties": {**properties, **delivery}}


# --- Checking --------------------------------------------------------------------------------------------------------


def _general(config: Mapping[str, Any], mistakes: list[str]) -> General:
    given = {field.name: config[field.name] for field in struct_fields(General) if field.name in config}
    values = _values(str, General, given, mistakes)
    if not isinstance(values.get("fields"), Mapping):
        values.pop("fields", None)
    columns = _columns()
    mistakes += [_unknown(f"fields.{name}", name, columns) for name in values.get("fields", ()) if name not in columns]
    try:
        General(default_timezone=values.get("default_timezone", "UTC")).zone  # noqa: B018 - it raises
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mistakes.append("default_timezone: no zone of that name; `Europe/Berlin` is one")
        del values["default_timezone"]
    return General(**values)


def _columns() -> set[str]:
    return set(READERS) | {name for network in NETWORKS.values() for name in network.ids}


def _section(section: str, given: Any, common: Mapping[str, Any], mistakes: list[str]) -> Iterable[Account]:
    if not isinstance(given, Mapping):
        mistakes.append(f"{section}: an object expected, as in sample_config.json")
        return
    shared = {**common, **{name: value for name, value in given.items() if name != "accounts"}}
    several = given.get("accounts") or {}
    if not isinstance(several, Mapping):
        mistakes.append(f"{section}.accounts: an object expected: your own name for each account to its settings")
        return
    if not several:
        if account := _account(section, "default", shared, lambda field: f"{section}.{field}", mistakes):
            yield account
        return
    for name, own in several.items():
        if not ACCOUNT_NAME(name):
            mistakes.append(f"{section}.accounts: names are a lower-case letter, then lower-case letters, digits or _")
        elif not isinstance(own, Mapping):
            mistakes.append(f"{section}.accounts.{name}: an object expected")
        elif account := _account(section, name, _merged(shared, own), _path(section, name, shared, own), mistakes):
            yield account


def _path(section: str, name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> Callable[[str], str]:
    """Where a field of an account (or ``"field: what is wrong"``) stands: there, or in the section it is taken from."""

    def path(field: str) -> str:
        setting = re.split(r"[.:]", field, maxsplit=1)[0]
        inherited = setting in shared and setting not in own
        return f"{section}.{field}" if inherited else f"{section}.accounts.{name}.{field}"

    return path


def _merged(section: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**section, **account}
    if isinstance(section.get("event_map"), Mapping) and isinstance(account.get("event_map"), Mapping):
        merged["event_map"] = {**section["event_map"], **account["event_map"]}
    return merged


def _account(
    section: str, name: str, given: Mapping[str, Any], path: Callable[[str], str], mistakes: list[str]
) -> Account | None:
    network = NETWORKS[section]
    before = len(mistakes)
    known = {field.name for field in struct_fields(network.settings_type)}
    mistakes += [_unknown(path(key), key, known) for key in given if key not in known]
    values = _values(path, network.settings_type, given, mistakes)
    if not values.get("enabled", True):
        return Account(section=section, name=name, network=None)
    told = {mistake.partition(":")[0] for mistake in mistakes}
    for field in struct_fields(network.settings_type):
        if field.required and field.name not in values and path(field.name) not in told:
            mistakes.append(f"{path(field.name)}: missing; {_description(field.type)}")
    if len(mistakes) > before:
        return None
    settings = network.settings_type(**values)
    secrets = {
        field.name: values[field.name]
        for field in struct_fields(network.settings_type)
        if _secret(field.type) and values.get(field.name)
    }
    mistakes += [path(problem) for problem in (*_problems(settings), *settings.problems())]
    for field_name, secret in secrets.items():
        if re.search(r"[^!-~]", secret):  # no header takes it; an invisible character is easily copied along
            mistakes.append(f"{path(field_name)}: white space or a character that can't be sent; copy it once more")
    return Account(section=section, name=name, network=network(settings), secrets=tuple(secrets.values()))


def _problems(settings: Settings) -> Iterable[str]:
    if settings.max_event_age_days is not None and settings.max_event_age_days < 1:
        yield "max_event_age_days: 1 or more expected"
    for name, native in settings.event_map.items():
        if native == "":
            yield f"event_map.{name}: empty; a name of the network's, or null: off"
    if not settings.base_url:
        return
    try:
        base = urlsplit(settings.base_url)
        host, _ = base.hostname, base.port
    except ValueError:
        base, host = urlsplit(""), None
    more = base.username or base.query or base.fragment or re.search(r"\s", settings.base_url)
    if not host or more or base.scheme not in ("http", "https"):
        yield "base_url: scheme and host expected, https://host.example"
    elif base.scheme == "http" and host not in LOOPBACK:
        yield "base_url: plain http goes to this machine only (127.0.0.1); use https"


def _values(
    path: Callable[[str], str],
    settings: type[msgspec.Struct],
    given: Mapping[str, Any],
    mistakes: list[str],
    *,
    strict: bool = False,
) -> dict[str, Any]:
    """The fields that are given, trimmed and converted; missing and empty ones are left out."""
    values = {}
    for field in struct_fields(settings):
        value = _trimmed(given.get(field.name))
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool) and _takes_text(field.type):
            value = str(value)  # YAML makes numbers of ids
        try:
            values[field.name] = msgspec.convert(value, field.type, strict=strict)
        except msgspec.ValidationError as error:
            told = (_rule(str(error)), _description(field.type))
            mistakes.append(f"{path(field.name)}: {'; '.join(filter(None, told))}")
    return values


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, Mapping):
        return {key: member.strip() if isinstance(member, str) else member for key, member in value.items()}
    return value


def _takes_text(annotation: Any) -> bool:
    return get_args(annotation)[0] in (str, str | None)


def _rule(message: str) -> str:
    """What msgspec found wrong, in words; its text of an invalid choice holds the value, so that is left out."""
    if message.startswith("Expected"):
        rule = message.partition(" - at ")[0].partition(", got ")[0].replace("`", "").replace(" | null", "")
        return rule.replace("Expected ", "").replace("str", "text").replace("bool", "true or false") + " expected"
    return "none of its choices"


def _unknown(path: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{path}: no such setting" + (f"; did you mean {close[0]}?" if close else "")


# --- Describing ------------------------------------------------------------------------------------------------------


def _metas(annotation: Any) -> list[msgspec.Meta]:
    return [meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]


def _description(annotation: Any) -> str:
    return next((meta.description for meta in _metas(annotation) if meta.description), "")


def _secret(annotation: Any) -> bool:
    return any((meta.extra_json_schema or {}).get("secret") for meta in _metas(annotation))


def described(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """A Settings type as JSON Schema properties, without defaults: the SDK would fill them into every account."""
    described = msgspec.json.schema(settings)
    (own,) = described["$defs"].values()
    return {name: _plain(property_) for name, property_ in own["properties"].items()}


def _plain(property_: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in property_.items() if key not in ("default", "anyOf", "minimum", "maximum")}
    if "anyOf" in property_:
        types = [choice.get("type") for choice in property_["anyOf"]]
        plain["type"] = [*dict.fromkeys(type_ for type_ in types if type_)]
        choices = [choice["enum"] for choice in property_["anyOf"] if "enum" in choice]
        if choices:
            plain["type"] = ["string", "null"]
            plain["enum"] = [*choices[0], None]
    if "enum" in plain and "type" not in plain:
        plain["type"] = "string"
    return plain

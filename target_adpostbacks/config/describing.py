"""The config as a JSON Schema, for ``--about`` and Meltano."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from target_adpostbacks.config.general import General
from target_adpostbacks.config.rules import RuleSettings
from target_adpostbacks.config.source_settings import RowSettings, SourceSettings
from target_adpostbacks.core.settings import INHERITED
from target_adpostbacks.networks import NETWORKS


def schema() -> dict[str, Any]:
    """JSON Schema of the config, for ``--about`` and Meltano: it describes, checking is ``read``'s."""
    from target_adpostbacks.config.clicks import ClickSettings
    from target_adpostbacks.config.performance import ReportSettings, StreamSettings

    properties = described(General)
    properties["performance"]["additionalProperties"] = {"type": "object", "properties": described(StreamSettings)}
    properties["report"]["properties"] = described(ReportSettings)
    described_source = described(SourceSettings)
    for settings in (properties, described_source):
        settings["rows"]["items"] = {"type": "object", "properties": described(RowSettings)}
    properties["sources"]["additionalProperties"] = {"type": "object", "properties": described_source}
    properties["clicks"]["properties"] = described(ClickSettings)
    inherited = {}
    for name, network in NETWORKS.items():
        settings = described(network.settings_type)
        settings["rules"]["items"] = {"type": "object", "properties": described(RuleSettings)}
        inherited = {field: settings[field] for field in INHERITED}
        per_account = {
            "type": "object",
            "description": "Several accounts: your own name for each to the settings that differ.",
            "additionalProperties": {"type": "object", "properties": settings},
        }
        properties[name] = {
            "type": "object",
            "title": network.title,
            "description": f"Conversions to {network.title}: present means switched on. {network.docs}",
            "properties": {**settings, "accounts": per_account},
        }
    return {"type": "object", "properties": {**properties, **inherited}}


def described(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """A Settings type as JSON Schema properties, without defaults: the SDK would fill them into every account."""
    kinds = msgspec.json.schema(settings)["$defs"]
    return {name: _plain(property_, kinds) for name, property_ in kinds[settings.__name__]["properties"].items()}


def _plain(property_: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("default", "anyOf", "minimum", "maximum", "$ref")
    plain = {key: value for key, value in property_.items() if key not in left_out}
    for choice in (property_, *property_.get("anyOf", ())):
        if "$ref" in choice:  # settings of its own
            members = kinds[choice["$ref"].rpartition("/")[2]]["properties"]
            inner = {name: _plain(member, kinds) for name, member in members.items()}
            return {**plain, "type": "object", "properties": inner}
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

"""The plugins as Meltano and MeltanoHub want them described, made from what ``--about --format=json`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import metadata
from typing import Any

import click
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from target_adpostbacks import cli
from target_adpostbacks.singer.tap import TapAdpostbacks
from target_adpostbacks.singer.target import TargetAdpostbacks

PROGRAMS: Mapping[str, click.Command] = {
    "target-adpostbacks": TargetAdpostbacks.cli,
    "tap-adpostbacks": TapAdpostbacks.cli,
}

CHECKOUT = "../target-adpostbacks"
"""What Meltano installs until there is a release: the clone beside its project."""

NOT_FOR_A_PROJECT = frozenset({"demo", "init", "connect", "rotate"})
"""Commands that Meltano does not start: the demo starts a Meltano itself, the others ask and write files."""

HUB: Mapping[str, Mapping[str, Any]] = {
    "target-adpostbacks": {
        "label": "Ad postbacks",
        "description": "Posts attributed conversions back to ad networks' conversion APIs, server to server",
        "pip_url": f"{CHECKOUT}[google,postgres,sandbox]",
        "next_steps": (
            "Configure a network: `meltano config set target-adpostbacks tiktok.pixel_code …`. A section that is there"
            " is switched on. `meltano invoke target-adpostbacks:log` shows what became of each conversion."
        ),
    },
    "tap-adpostbacks": {
        "label": "Ad postbacks: delivery ledger",
        "description": "What became of every conversion that target-adpostbacks was given, as streams",
        "pip_url": f"{CHECKOUT}[postgres]",
        "next_steps": "Give it the `ledger_url` of target-adpostbacks; without one both use the project's SQLite file.",
    },
}
"""What a person must say; the program says the rest."""


@cache
def about(plugin: str) -> Any:
    """What the program says of itself."""
    said = CliRunner().invoke(PROGRAMS[plugin], ["--about", "--format=json"], catch_exceptions=False)
    return json.loads(said.stdout)


def settings(plugin: str) -> list[dict[str, Any]]:
    """Every setting, in the order of the program, those of a section with a dot."""
    return [*_settings(about(plugin)["settings"]["properties"])]


def _settings(properties: Mapping[str, Any], section: str = "") -> Iterator[dict[str, Any]]:
    for name, schema in properties.items():
        if schema.get("properties") and name not in ("accounts", "stream_maps"):  # those two have keys of the user's
            yield from _settings(schema["properties"], f"{section}{name}.")
        else:
            yield {"name": section + name, **_kind(schema), **_words(schema)}


def _kind(schema: Mapping[str, Any]) -> dict[str, Any]:
    if choices := [choice for choice in schema.get("enum", ()) if choice is not None]:
        return {"kind": "options", "options": [{"label": choice, "value": choice} for choice in choices]}
    types = schema.get("type", "string")
    several = {types} if isinstance(types, str) else {*types} - {"null"} or {"string"}
    type_ = "string" if "string" in several else min(several)
    kind = {"number": "decimal"}.get(type_, type_)
    return {"kind": kind} | ({"sensitive": True} if _is_secret(schema) else {})


def _is_secret(schema: Mapping[str, Any]) -> bool:
    """Whether there is a secret in it: accounts have some."""
    own = schema.get("additionalProperties")
    inner = own.get("properties", {}) if isinstance(own, Mapping) else {}
    return bool(schema.get("secret")) or any(map(_is_secret, inner.values()))


def _words(schema: Mapping[str, Any]) -> dict[str, str]:
    given = {"label": schema.get("title"), "description": schema.get("description")}
    return {name: text.strip() for name, text in given.items() if text}


def commands(plugin: str) -> dict[str, dict[str, str]]:
    """What `meltano invoke target-adpostbacks:log` and its like start: every command but those for a person alone.

    They get their settings from Meltano as environment variables.
    """
    if plugin != "target-adpostbacks":
        return {}
    context = click.Context(cli.main)
    return {
        name: {"executable": "adpostbacks", "args": name, "description": command.get_short_help_str(limit=120)}
        for name in cli.main.list_commands(context)
        if name not in NOT_FOR_A_PROJECT and (command := cli.main.get_command(context, name))
    }


def short(plugin: str) -> str:
    """The settings and commands for meltano.yml: a line each, no words."""
    lines = ["settings:"]
    for setting in settings(plugin):
        shown = [f"name: {setting['name']}"]
        shown += [f"kind: {setting['kind']}"] if setting["kind"] not in ("string", "options") else []
        shown += ["sensitive: true"] if setting.get("sensitive") else []
        lines.append(f"- {{{', '.join(shown)}}}")
    lines += ["commands:"] if commands(plugin) else []
    lines += [
        f"  {name}: {{executable: {each['executable']}, args: {name}}}" for name, each in commands(plugin).items()
    ]
    return "".join(f"    {line}\n" for line in lines)


def python_versions() -> list[str]:
    """Those that the package names: ``3.10``, ``3.11``, …"""
    named = metadata("target-adpostbacks").get_all("Classifier") or []
    versions = (text.rpartition(" :: ")[2] for text in named if text.startswith("Programming Language :: Python :: 3."))
    return sorted(versions, key=lambda version: int(version.partition(".")[2]))


def hub(plugin: str) -> str:
    """The definition as a file of MeltanoHub."""
    definition = {
        "name": plugin,
        "namespace": plugin.replace("-", "_"),
        "variant": "adpostbacks",
        "executable": plugin,
        "keywords": ["meltano_sdk", "reverse-etl", "advertising", "conversions"],
        "maintenance_status": "active",
        "quality": "unknown",  # MeltanoHub's to say, and asked for
        "supported_python_versions": python_versions(),
        "capabilities": sorted(about(plugin)["capabilities"]),
        "settings_group_validation": [[]],
        "settings": settings(plugin),
        **({"commands": commands(plugin)} if commands(plugin) else {}),
        **HUB[plugin],
    }
    text: str = yaml.safe_dump(definition, allow_unicode=True, width=110)
    return text

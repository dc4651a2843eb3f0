"""The files that ``adpostbacks init`` writes, made from what the networks say of their settings."""

from __future__ import annotations

import json
import re
import textwrap
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks import config as configuration
from target_adpostbacks.cli._settings_file import variable
from target_adpostbacks.config.files import COMMENT
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import extras
from target_adpostbacks.demo.project import project
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import sources

CONFIG, SECRETS, MELTANO, FRAGMENT = "config.json", ".env.example", "meltano.yml", "adpostbacks.meltano.yml"
PLUGIN = "target-adpostbacks"
IN_ENV = f"Secrets are in .env: {SECRETS} names them."
WIDTH = 110

Kind = type[Network[Any]]


class Setting(NamedTuple):
    """A setting whose value a person has to find."""

    name: str
    text: str  # what it is, and where it is found
    example: Any  # None: an ordinary section does without it
    is_secret: bool


def settings(network: Kind) -> list[Setting]:
    """Those of a network, in its order."""
    words = configuration.described(network.settings_type)
    return [
        Setting(name, _text(words[name], extra), extra.get("examples", [None])[0], bool(extra.get("secret")))
        for name, extra in extras(network.settings_type).items()
        if extra.keys() & {"where", "examples"}
    ]


def _text(words: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    where = extra.get("where", "")
    text: str = words["description"]
    return f"{text.removesuffix(f' {where}.')} Where: {where}." if where else text


def values(network: Kind) -> dict[str, Any]:
    """Examples for what a section needs: without secrets, the code of the test tool and a second asset."""
    _, *others = dict.fromkeys(network.assets.values())
    left_out = {network.test_setting, *others}
    return {
        each.name: each.example
        for each in settings(network)
        if each.example is not None and not each.is_secret and each.name not in left_out
    }


def config(networks: Sequence[Kind], top: Mapping[str, Any]) -> str:
    """A config without secrets, as JSON; ``top``: settings at its top."""
    about = f"A name that begins with {COMMENT} is a comment. Secrets come from the environment: {SECRETS} names them."
    sections = {network.name: dict(_commented(network)) for network in networks}
    whole = {COMMENT: about, **top, **sections}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _commented(network: Kind) -> Iterator[tuple[str, Any]]:
    yield COMMENT, f"{network.title}. The values are examples: put your own in their place. {network.docs}"
    given = values(network)
    for each in settings(network):
        if not each.is_secret:
            yield f"{COMMENT} {each.name}", each.text if each.name in given else _with_example(each)
            if each.name in given:
                yield each.name, given[each.name]
        elif each.example is not None:
            yield f"{COMMENT} {each.name}", f"Secret: {variable(network.name, each.name)}."


def _with_example(setting: Setting) -> str:
    if setting.example is None:
        return setting.text
    is_text = isinstance(setting.example, str)
    return f"{setting.text} Example: {setting.example if is_text else json.dumps(setting.example)}."


def secrets(networks: Sequence[Kind]) -> str:
    """The variables that hold the secrets, empty, each below what it is and where it is found."""
    first = (
        "Copy this file to .env and fill it in. Nobody else may read .env (chmod 600), and git must not see it (a line"
        " `.env` in .gitignore). `--config ENV` reads it; Meltano does so by itself."
    )
    return comment(first) + "".join(
        f"\n{comment(f'{network.title}, {text}')}{line}\n"
        for network in networks
        for text, line in _secrets_of(network)
    )


def _secrets_of(network: Kind) -> Iterator[tuple[str, str]]:
    connected = f" Or let `adpostbacks connect {network.name}` write it." if network.connection else ""
    for each in settings(network):
        if each.is_secret:
            name = variable(network.name, each.name)
            text = f"{each.name}: {each.text}{connected}"
            if isinstance(each.example, dict):
                text += f" As JSON: {json.dumps(each.example)}."
            yield text, f"{name}=" if each.example is not None else f"# {name}="
            connected = ""


def comment(text: str, indent: str = "") -> str:
    """A comment of YAML or of a file with variables."""
    start = f"{indent}# "
    return "\n".join(
        [*textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False), ""]
    )


def meltano(networks: Sequence[Kind], top: Mapping[str, Any], *, is_fragment: bool) -> str:
    """A Meltano project with the target, or a fragment for a project that there is."""
    if is_fragment:
        head = f"For {MELTANO}, which reads it with the line `include_paths: [{FRAGMENT}]`."
        return comment(f"{head} {IN_ENV}") + _plugin(networks, top)
    head = f"A Meltano project with {PLUGIN}. docs/meltano.md goes on with your tap."
    return f"{comment(f'{head} {IN_ENV}')}project_id: {uuid.uuid4()}\n{_plugin(networks, top)}"


def _plugin(networks: Sequence[Kind], top: Mapping[str, Any]) -> str:
    """The loader as the repository's project declares it, without the settings of other networks."""
    (declared,) = re.findall(
        rf"^(  - name: {PLUGIN}\n    namespace: .*?)^    # /generated", project(), re.MULTILINE | re.DOTALL
    )
    others = NETWORKS.keys() - {network.name for network in networks}
    foreign = re.compile(rf" *(# generated: |- \{{name: ({'|'.join(others) or '-'})\.)")
    lines = [line for line in declared.splitlines(keepends=True) if not foreign.match(line)]
    origin = "Meltano starts the program on the PATH. To let Meltano install it, say from where:"
    return "".join(
        [
            "plugins:\n",
            *_extractor(top.get("source")),
            "  loaders:\n",
            *lines[:2],
            comment(origin, "    "),
            f"    # pip_url: ../{PLUGIN}[google,postgres,sandbox]\n",
            *lines[2:],
            "    config:\n",
            *(f"      {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in top.items()),
            *(line for network in networks for line in _yaml_section(network)),
        ]
    )


def _extractor(source: str | None) -> Iterator[str]:
    """The tap whose rows a source reads, with the settings that matter."""
    tap = dict(sources.shipped(source).taps) if source else {}
    if not tap:
        return
    yield "  extractors:\n"
    yield comment("The values are examples: put your own in their place, and give the tap its secrets.", "    ")
    settings = tap.pop("config", {})
    start = "  - "
    for name, value in tap.items():
        yield f"{start}{name}: {json.dumps(value, ensure_ascii=False)}\n"
        start = "    "
    if settings:
        yield "    config:\n"
    for name, value in settings.items():
        yield f"      {name}: {json.dumps(value, ensure_ascii=False)}\n"


def _yaml_section(network: Kind) -> Iterator[str]:
    given: Mapping[str, Any] = values(network)
    yield f"      {network.name}:\n"
    yield comment(f"{network.title}. The values are examples: put your own in their place.", " " * 8)
    for each in settings(network):
        if each.is_secret:
            continue
        line = f"{each.name}: {'' if each.example is None else json.dumps(each.example, ensure_ascii=False)}".rstrip()
        yield comment(each.text, " " * 8)
        yield f"        {line}\n" if each.name in given else f"        # {line}\n"

"""The generated parts of documents and project files, made from what the networks say of themselves."""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import matrix
import msgspec
import pytest
import source_documents
import told_links
import yaml  # type: ignore[import-untyped]
from msgspec.structs import fields
from plugin_definitions import about
from told import SOURCES, Kind, a_conversion, an_account_of, by_source, code, differing, duration, table, test_code

from target_adpostbacks import config
from target_adpostbacks.config.notify import Conditions
from target_adpostbacks.config.performance import ReportSettings, StreamSettings
from target_adpostbacks.config.rules import RuleSettings
from target_adpostbacks.config.source_settings import RowSettings
from target_adpostbacks.core import answers as http
from target_adpostbacks.core.answers import Skip, Verdict, by_status
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.health import STATES
from target_adpostbacks.core.learning import Milestone
from target_adpostbacks.core.nested import HOLDERS
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.performance import presets as statistics_presets
from target_adpostbacks.core.reasons import REASONS, STATUSES
from target_adpostbacks.core.settings import INHERITED, Settings, examples, extras, secrets
from target_adpostbacks.doctor import FINDINGS, LEVELS, Diagnosis
from target_adpostbacks.networks import NETWORKS, TITLES
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.expressions import FUNCTIONS, METHODS
from target_adpostbacks.run.notifying import Message
from target_adpostbacks.run.telemetry import METRICS, SPANS
from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.network import Call, Refused
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

ROOT = Path(__file__).parent.parent
SANDBOX_URL = "http://127.0.0.1:8765"

CONNECT_SAYS = "[Connect, validate, preview](../connect.md) says what each does."
OF_PRESETS = "`preset` names one. What you set yourself goes before it."
UNLISTED = (
    "What is not listed here is judged by its HTTP status. [The ledger's page](../ledger.md#reasons) says what becomes"
    "\nof a conversion then."
)


def kept(path: Path, expected: str, request: pytest.FixtureRequest) -> None:
    """The file is as expected; with ``--update-docs`` it is made so."""
    if request.config.getoption("--update-docs"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected)
    assert path.read_text() == expected, f"run: pytest {request.path.relative_to(ROOT)} --update-docs"


def filled(text: str, part: str, made: str) -> str:
    """The text with what was made between the marks of a part: comments of Markdown or YAML, on lines or in one."""
    marks = {
        rf"(<!-- generated: {part}\b[^\n]*-->\n)(.*?)(<!-- /generated -->)": f"\n{made.strip()}\n\n",
        rf"( *# generated: {part}\b[^\n]*\n)(.*?)( *# /generated\n)": made,
        rf"(<!-- generated: {part} -->)([^\n]*?)(<!-- /generated -->)": made,
    }
    for mark, inner in marks.items():
        if re.search(mark, text, re.DOTALL):
            return re.sub(mark, lambda match: f"{match[1]}{inner}{match[3]}", text, flags=re.DOTALL)  # noqa: B023
    raise AssertionError(f"no place for the generated part {part}")


def columns_marked(rule: str) -> str:
    """A sentence with the names of columns as code."""
    names = {*READERS, *(name for network in NETWORKS.values() for name in network.ids)} - {"network", "test"}
    names |= {setting for network in NETWORKS.values() for setting in extras(network.settings_type)}
    return re.sub(r"[\w.]*\w", lambda word: f"`{word[0]}`" if word[0].split(".")[0] in names else word[0], rule)


# docs/settings.md: the settings that all networks have.


def identifiers() -> str:
    return code(dict.fromkeys(name for network in NETWORKS.values() for name in network.ids))


def described(settings: type[Any]) -> dict[str, str]:
    return {name: schema["description"] for name, schema in config.described(settings).items()}


def nested_objects() -> str:
    """What is read from objects of which name."""
    rows = [(code(names), code(columns)) for names, columns in HOLDERS]
    return table(("in an object called", "are read"), [*rows, ("anything", "all other columns")])


def settings_table(settings: type[Any], names: Iterable[str]) -> str:
    words, listed = described(settings), {*names}
    return table(
        ("setting", "", "default"),
        ((f"`{field.name}`", words[field.name], default(field)) for field in fields(settings) if field.name in listed),
    )


def default(field: Any) -> str:
    shown = f"`{json.dumps(field.default)}`" if isinstance(field.default, (str, int)) else ""
    return "required" if field.required else shown


def statuses() -> str:
    """Each status of the ledger, and what it means."""
    return table(("status", ""), ((f"`{status}`", sentence) for status, sentence in STATUSES.items()))


def states() -> str:
    """Each state of an account, and what it means."""
    return table(("state", ""), ((f"`{state}`", sentence) for state, sentence in STATES.items()))


def reasons() -> str:
    """What happened and what to do, for each reason."""
    rows = [(f"`{reason.status}`", f"`{reason.name}`", reason.sentence, reason.advice) for reason in REASONS.values()]
    return table(("status", "reason", "what happened", "what to do"), rows)


def spans() -> str:
    """Each span that a run exports, and its attributes."""
    rows = [(f"`{name}`", f"`{each.name}`", each.what) for name, attributes in SPANS.items() for each in attributes]
    return table(("span", "attribute", ""), rows)


def metrics() -> str:
    """Each metric that a run exports, and its attributes."""
    head = ("metric", "", "unit", "", "attributes")
    return table(
        head,
        (
            (f"`{name}`", each.kind, f"`{each.unit}`", each.what, code(attribute.name for attribute in each.attributes))
            for name, each in METRICS.items()
        ),
    )


# A page for each network.


def page(name: str, network: Kind) -> str:
    """All but its title and its prose."""
    names = [field.name for field in fields(network.settings_type) if field.name not in described(Settings)]
    places_known = [setting for setting in names if "where" in extras(network.settings_type)[setting]]
    return "\n".join(
        [
            *([f"The network's own documentation: <{network.docs}>\n"] if network.docs.startswith("https:") else []),
            "## Limits",
            limits(network),
            "## Where to find its settings",
            places(network, places_known),
            f"## Further settings\n\nThey stand in the section `{name}`, beside those that every network has.",
            settings_table(network.settings_type, [setting for setting in names if setting not in places_known]),
            *([f"## Presets\n\n{OF_PRESETS}", own_presets(network)] if network.own_presets else []),
            *told_links.of_network(network),
            "## Try it",
            attempts(network),
            "## Events",
            events(network),
            standard_events(network),
            f"## Answers\n\n{UNLISTED}",
            answers(network),
        ]
    )


def limits(network: Kind) -> str:
    account = an_account_of(network)
    called = (network.name, *network.aliases)
    rows = [
        ("called in the column `network`", code(called)),
        ("click ids", code(network.click_ids)),
        ("other ids", code(sorted({*network.ids} - {*network.click_ids})) or "–"),
        ("events in a request", f"{network.request_limits.events:,}, {network.request_limits.bytes / 1e6:.2g} MB"),
        ("not older than", differing(network, lambda conversion: duration(account.age_limit(conversion)))),
        ("not ahead of the clock by more than", duration(network.max_ahead)),
        (
            "the same event and event id count once in",
            differing(network, lambda conversion: duration(account.resend_window(conversion))),
        ),
        ("counts itself, by default, what happened within", network.counts_within),
        ("takes limited data use of", limits_data_use(network, account)),
        ("code of its test tool", test_code(network)),
    ]
    rows += [(f"{milestone.unlocks} needs", milestone_told(milestone)) for milestone in network.milestones]
    rows += [
        (f"what identifies the person ({names})", columns_marked(rule))
        for rule, names in by_source(network, lambda conversion: network.match_rules[conversion.event_source]).items()
    ]
    return table(("", ""), rows)


def milestone_told(milestone: Milestone) -> str:
    events = " or ".join(f"`{event}`" for event in sorted(milestone.events)) or "conversions of an event"
    return f"{milestone.conversions} {events} in {milestone.days} days in a row"


def limits_data_use(network: Kind, account: Network[Any]) -> str:
    taken = [source for source in network.assets if account.limits_data_use(a_conversion(source))]
    return ", ".join(SOURCES[source] for source in EVENT_SOURCES if source in taken) or "–"


def places(network: Kind, names: Iterable[str]) -> str:
    words, extra = described(network.settings_type), extras(network.settings_type)
    required = {field.name for field in fields(network.settings_type) if field.required}
    return table(
        ("setting", "", "where", "example"),
        (
            (
                f"`{setting}`" + (" (required)" if setting in required else ""),
                words[setting].removesuffix(f" {extra[setting]['where']}."),
                extra[setting]["where"],
                f"`{written(extra[setting]['examples'][0])}`" if "examples" in extra[setting] else "",
            )
            for setting in names
        ),
    )


def written(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example)


def own_presets(network: Kind) -> str:
    usual = {field.name: field.default for field in fields(network.settings_type)}
    return table(
        ("`preset`", "for", "what you add", "its URL", "needed of a conversion", ""),
        (
            (
                f"`{name}`",
                preset.title,
                code(preset.yours) or "nothing",
                f"{preset.settings.get('method', usual['method'])} `{preset.settings['url']}`",
                code(preset.settings.get("required", usual["required"])),
                preset.note,
            )
            for name, preset in network.own_presets.items()
        ),
    )


def attempts(network: Kind) -> str:
    """The commands that connect an account of the network and try it."""
    example = examples(network.settings_type).get(network.test_setting or "")
    example = next(iter(example.values())) if isinstance(example, dict) else example
    code = f" --test-code {example}" if example and not network.tests_without_code else ""
    counted = " --counted" if network.counts_tests else ""
    quiet = "" if network.counts_tests else code  # such a network is read from instead
    config = "--config config.json --config ENV"
    hidden = secrets(network.settings_type) & examples(network.settings_type).keys()
    has_token = any(isinstance(examples(network.settings_type)[name], str) for name in hidden)
    lines = [
        f"adpostbacks validate {network.name} {config}{quiet}",
        *([f"adpostbacks send-test {network.name} {config}{code}{counted}"] if network.takes_tests() else []),
        *([f"adpostbacks rotate {network.name} {config}{quiet}"] if has_token else []),
        *([f"adpostbacks connect {network.name} --app-id …"] if network.connection else []),
    ]
    warning = f"{network.title} counts test events, so `send-test` asks for `--counted`. " if counted else ""
    block = "\n".join(f"$ {line}" for line in lines)
    return f"\n```console\n{block}\n```\n\n{warning}{CONNECT_SAYS}\n"


def events(network: Kind) -> str:
    """A column for each kind of conversion whose names differ."""
    if not network.standard_events:
        kinds = ((f"`{event}`", f"`{kind}`" if kind else "never sent") for event, kind in network.events.items())
        return table(("event", network.event_kind), kinds)
    account = an_account_of(network)

    def name(conversion: Conversion, event: str) -> str:
        try:
            return f"`{account.event(a_conversion(conversion.event_source, event))}`"
        except Skip as skip:
            return f"not sent, `{skip.reason}`"

    columns = by_source(network, lambda conversion: "\n".join(name(conversion, event) for event in network.events))
    names = (column.split("\n") for column in columns)
    return table(
        ("event", *(columns.values())),
        ((f"`{event}`", *own) for event, *own in zip(network.events, *names, strict=True)),
    )


def standard_events(network: Kind) -> str:
    if not network.standard_events:
        return ""
    account = an_account_of(network)
    kinds = by_source(network, lambda conversion: code(sorted(account.native_events(conversion))))
    rows = [(names, words) for words, names in kinds.items()]
    return f"Its own names, which pass unchanged:\n{table(('conversions', 'names'), rows)}"


def answers(network: Kind) -> str:
    """What is known of codes: first those that a person can do something about, then the others by verdict."""
    advised = [(f"`{key}`", verdict_of(network, key), settings_marked(text)) for key, text in network.advice.items()]
    advised += [(f"“{words}”", "", settings_marked(text)) for words, text in network.advice_by_words.items()]
    others: dict[str, list[str]] = defaultdict(list)
    statuses = {str(status): verdict for status, verdict in {**http.STATUSES, **network.statuses}.items()}
    for key, verdict in (network.codes or statuses).items():
        if key not in network.advice and verdict is not Verdict.ACCEPTED:
            others[verdict.value].append(key)
    rows = [(code(ranges(keys)), verdict, "") for verdict, keys in others.items()]
    head = ("code" if network.codes else "HTTP status") + (
        ", or part of the message" if network.advice_by_words else ""
    )
    return table((head, "verdict", "what to do"), [*advised, *rows])


def settings_marked(text: str) -> str:
    return re.sub(r"[a-z]+(?:_[a-z]+)+", r"`\g<0>`", text)


def verdict_of(network: Kind, key: str) -> str:
    listed = network.codes.get(key) or network.codes.get(key.partition("/")[0])
    return (listed or by_status(int(key), network.statuses)).value


def follows(before: str, key: str) -> bool:
    return bool(re.fullmatch(r"-?\d+", before) and re.fullmatch(r"-?\d+", key)) and int(key) == int(before) + 1


def ranges(keys: Iterable[str]) -> list[str]:
    """``['3', '200', '201', '202']`` -> ``['3', '200 to 202']``."""
    parts: list[list[str]] = []
    for key in keys:
        if parts and follows(parts[-1][-1], key):
            parts[-1].append(key)
        else:
            parts.append([key])
    return [f"{part[0]}` to `{part[-1]}" if len(part) > 2 else "` `".join(part) for part in parts]


# Files that hold a section for each network.


def sample_config() -> str:
    """Its first lines say how to begin, in a comment and for editors."""
    how = "Keep your networks, with your own values. `adpostbacks init` writes them with a comment for each setting."
    sections = {name: examples(network.settings_type) for name, network in NETWORKS.items()}
    return json.dumps({"$schema": "docs/config.schema.json", "//": how, **sections}, indent=2) + "\n"


def demo_sections() -> str:
    return as_yaml({name: {"base_url": SANDBOX_URL, **section(network)} for name, network in NETWORKS.items()}, 10)


def prod_sections() -> str:
    """Ids alone: secrets come from the environment."""
    return as_yaml({name: assets(network) for name, network in NETWORKS.items()}, 10)


def section(network: Kind) -> dict[str, Any]:
    return examples(network.settings_type)


def assets(network: Kind) -> dict[str, Any]:
    secret = secrets(network.settings_type)
    return {name: value for name, value in section(network).items() if name not in {*secret, network.test_setting}}


def as_yaml(sections: Mapping[str, Any], indent: int) -> str:
    return textwrap.indent(yaml.safe_dump(sections, sort_keys=False), " " * indent)


def token_variables() -> str:
    return table(
        ("setting", "environment variable"),
        (
            (f"`{name}.{setting}`", f"`TARGET_ADPOSTBACKS_{name.upper()}_{setting.upper()}`")
            for name, network in NETWORKS.items()
            for setting in section(network)
            if extras(network.settings_type)[setting].get("secret")
        ),
    )


def sandbox_config() -> str:
    sections = {
        name: {"base_url": SANDBOX_URL}
        | {setting: value for setting, value in section(network).items() if setting != network.test_setting}
        for name, network in NETWORKS.items()
    }
    return f"```json\n{json.dumps(sections, indent=2)}\n```"


def sandbox_networks() -> str:
    return table(
        ("network", "paths", "a refusal is"),
        (
            (NETWORKS[name].title, ", ".join(f"`{path}`" for path in network.paths), network.refusal)
            for name, network in SANDBOX_NETWORKS.items()
        ),
    )


def sandbox_tokens() -> str:
    """What a token is answered that says what is wrong with it."""
    kinds = {"`revoked`, `invalid`": "revoked", "`expired`": "expired", "`forbidden`": "forbidden"}
    return table(
        ("a token that contains", *(NETWORKS[name].title for name in SANDBOX_NETWORKS)),
        ((words, *(refusal(name, token) for name in SANDBOX_NETWORKS)) for words, token in kinds.items()),
    )


def refusal(name: str, token: str) -> str:
    """The code, or the status, that the sandbox answers to a golden request with this token."""
    vectors = json.loads((ROOT / "target_adpostbacks" / "vectors" / f"{name}.json").read_text("utf-8"))
    (golden,) = (row for row in vectors["requests"] if row["name"] == vectors["minimal"])
    request = golden["expect"][0]
    for secret in secrets(NETWORKS[name].settings_type) & golden["settings"].keys():
        value = golden["settings"][secret]
        for text in value.values() if isinstance(value, dict) else [value]:
            request = json.loads(json.dumps(request).replace(text, token))
    url = urlsplit(request["url"])
    call = Call(
        method=request["method"],
        path=url.path,
        query=dict(parse_qsl(url.query)),
        headers={
            "authorization": f"Bearer {token}",  # it is in no golden request of a network that signs in
            **{header.lower(): value for header, value in request["headers"].items()},
        },
        body=request["body"],
        now=datetime.fromisoformat(golden["now"].replace("Z", "+00:00")),
        number=1,
        access=Access(),
    )
    try:
        SANDBOX_NETWORKS[name].receive(call)
    except Refused as refused:
        answer = refused.answer
        return f"HTTP {answer.status}" if answer.code == str(answer.status) else answer.code
    return "–"


def sandbox_list(fact: str) -> str:
    lines = [f"* {NETWORKS[name].title}: {getattr(network, fact)}" for name, network in SANDBOX_NETWORKS.items()]
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


def sandbox_errors() -> str:
    lines = [
        f"* {NETWORKS[name].title}: {', '.join(f'`{error}`' for error in network.errors)}"
        for name, network in SANDBOX_NETWORKS.items()
    ]
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


def doctor_findings() -> str:
    """What the doctor looks for, by level."""
    by_level = sorted(FINDINGS.values(), key=lambda finding: LEVELS.index(finding.level))
    rows = ((finding.level, f"`{finding.slug}`", finding.what, finding.advice) for finding in by_level)
    return table(("level", "finding", "what it is", "what it costs, what to change"), rows)


def doctor_schema() -> str:
    """The JSON Schema of what `adpostbacks doctor --format json` writes."""
    (_, kinds) = msgspec.json.schema_components([Diagnosis], ref_template="#/$defs/{name}")
    for kind in kinds.values():
        kind.pop("title")
    kinds["Found"]["properties"]["finding"] = {"enum": [*FINDINGS]}
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "adpostbacks doctor"}
    return json.dumps({**top, **kinds.pop("Diagnosis"), "$defs": kinds}, indent=2, ensure_ascii=False) + "\n"


def alert_schema() -> str:
    """The JSON Schema of what a webhook is sent."""
    top = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What target-adpostbacks tells a webhook",
    }
    (_, kinds) = msgspec.json.schema_components([Message], ref_template="#/$defs/{name}")
    for kind in kinds.values():
        kind.pop("title")
        kind["required"] = [*kind["properties"]]
        for member in kind["properties"].values():
            member.pop("default", None)
    return json.dumps({**top, **kinds.pop("Message"), "$defs": kinds}, indent=2) + "\n"


def config_schema() -> str:
    """The JSON Schema of the config, as ``target-adpostbacks --about`` prints it."""
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The config of target-adpostbacks"}
    return json.dumps({**top, **about("target-adpostbacks")["settings"]}, indent=2, ensure_ascii=False) + "\n"


def connections() -> str:
    """The networks whose token may come from OAuth."""
    return " and ".join(network.title for network in NETWORKS.values() if network.connection)


def schema_links() -> str:
    """Each command that writes JSON, and its schema."""
    files = {path.stem.replace("-", " --"): f"schemas/{path.name}" for path in (ROOT / "docs" / "schemas").iterdir()}
    rows = sorted({**files, "doctor": "doctor.schema.json"}.items())
    return table(("command", "schema"), ((f"`adpostbacks {name}`", f"[{path}]({path})") for name, path in rows))


def keywords() -> str:
    return "".join(f'    "{network.title}",\n' for network in NETWORKS.values())


# Rules and presets.


def preset_tables() -> str:
    return "\n".join(
        f"### `{name}`\n{brought(presets.preset(name))}"
        + "".join(of_network(network, said) for network, said in presets.preset(name).networks.items())
        for name in presets.names()
    )


def brought(preset: presets.Preset) -> str:
    columns = (f"`{where}` is read as `{column}`" for column, where in preset.columns.items())
    return f"\nColumns: {', '.join(columns)}.\n" if preset.columns else ""


def of_network(network: str, said: presets.ForNetwork) -> str:
    """What a preset says for a network: its events, then the rest in a sentence each."""
    rows = [(f"`{event}`", f"`{name}`", "") for event, name in said.events.items()]
    rows += [(f"`{event}`", f"`{name}`", "off until you switch it on") for event, name in said.off.items()]
    rows += [("any other", "a custom event as it is", "")] if said.other_events == "custom" else []
    settings = [f"`{name}: {json.dumps(value)}`" for name, value in said.settings.items()]
    constants = [f"`{column}` is always `{value}`" for column, value in said.constants.items()]
    rest = "".join(f"\n{sentence}.\n" for sentence in (", ".join(constants), ", ".join(settings)) if sentence)
    return table(("event", f"at {NETWORKS[network].title}", ""), rows) + rest


def tap_presets() -> str:
    """The presets of ``performance``: whose tap each is for, and which of its streams."""
    found = ((name, statistics_presets.preset(name)) for name in statistics_presets.names())
    return table(
        ("preset", "", "stream", "conversions and value that it takes"),
        (
            (f"`{name}`", preset.title, f"`{preset.stream}`", ", ".join(f"`{each}`" for each in reported(preset)))
            for name, preset in found
        ),
    )


def reported(preset: statistics_presets.Preset) -> list[str]:
    dated = preset.by_conversion
    return list(dict.fromkeys((*(dated.conversions or preset.conversions), *(dated.values or preset.values))))


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {
        "titles": lambda: TITLES,
        "networks": matrix.matrix,
        "statuses": statuses,
    },
    "docs/record.md": {"ids": identifiers, "nested": nested_objects},
    "docs/settings.md": {
        "general": lambda: settings_table(config.General, {*described(config.General)} - {*INHERITED}),
        "inherited": lambda: settings_table(Settings, INHERITED),
        "sections": lambda: settings_table(Settings, {*described(Settings)} - {*INHERITED}),
    },
    "docs/alerts.md": {
        "notify": lambda: settings_table(config.Notify, described(config.Notify)),
        "conditions": lambda: settings_table(Conditions, described(Conditions)),
    },
    "docs/opentelemetry.md": {"spans": spans, "metrics": metrics},
    "docs/rules.md": {
        "keys": lambda: settings_table(RuleSettings, described(RuleSettings)),
        "functions": lambda: code(FUNCTIONS),
        "methods": lambda: code(sorted(METHODS)),
        "presets": preset_tables,
    },
    "docs/sources.md": {
        "sources": source_documents.table,
        "row keys": lambda: settings_table(RowSettings, described(RowSettings)),
    },
    "docs/connect.md": {"connections": connections, "trials": matrix.trials, "schemas": schema_links},
    "docs/consent.md": {"told": matrix.told},
    "docs/doctor.md": {"findings": doctor_findings},
    "docs/spend.md": {
        "presets": tap_presets,
        "keys": lambda: settings_table(StreamSettings, described(StreamSettings)),
        "report": lambda: settings_table(ReportSettings, described(ReportSettings)),
    },
    "docs/ledger.md": {"reasons": reasons},
    "docs/monitoring.md": {"states": states},
    "docs/links.md": {"macros": matrix.macros, "parameters": told_links.parameters, "fields": told_links.fields},
    "docs/sandbox.md": {
        "config": sandbox_config,
        "networks": sandbox_networks,
        "tokens": sandbox_tokens,
        "stricter": lambda: sandbox_list("stricter"),
        "deduplication": lambda: sandbox_list("deduplication"),
        "errors": sandbox_errors,
    },
    "docs/meltano.md": {"variables": token_variables},
    "meltano.yml": {"demo": demo_sections, "prod": prod_sections},
}
"""File → its generated parts."""

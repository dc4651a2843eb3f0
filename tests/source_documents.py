"""What the documents say of the source presets, made from their data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from target_adpostbacks.rules.sources import Shipped, names, shipped

OTHERS = "[docs/sources.md](../sources.md) has the settings, and how to change them."


def table() -> str:
    """Every preset, with its page."""
    rows = [f"| [`{name}`](sources/{name}.md) | {shipped(name).title} | {shipped(name).reads} |" for name in names()]
    return "\n".join(["| preset |  | reads |", "| --- | --- | --- |", *rows])


def page(name: str) -> str:
    """docs/sources/<name>.md."""
    preset = shipped(name)
    streams = f" It reads {_streams(preset.streams)}, also behind a schema." if preset.streams else ""
    parts = [
        f"# {preset.title}",
        "<!-- generated: pytest tests/sources --update-docs -->",
        f"{preset.reads} `source: {name}` says what its rows mean.{streams} {OTHERS}",
        *_tap(name, preset),
        "## What becomes of a row",
        _json(preset.example),
        "becomes the record",
        _json(preset.record),
        "## What it cannot know" if preset.requires else "",
        "`adpostbacks init --source " + name + "` asks:" if preset.requires else "",
        "\n".join(_questions(preset)),
        "## What to look out for",
        "\n".join(f"- {line}" for line in (*preset.warns, *preset.notes)),
        "## Columns",
        "\n".join(_columns(preset.fields)),
        *_of_items(preset),
        *_values(preset),
        *_rows(preset),
        *_rest(preset),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _streams(patterns: Sequence[str]) -> str:
    if all(pattern.startswith("!") for pattern in patterns):
        return f"all streams but {_code(pattern[1:] for pattern in patterns)}"
    return f"the stream{'s' if len(patterns) > 1 else ''} {_code(patterns)}"


def _code(listed: Any) -> str:
    return ", ".join(f"`{each}`" for each in listed)


def _json(value: Any) -> str:
    lines = ",\n".join(
        f" {json.dumps(key, ensure_ascii=False)}: {json.dumps(member, ensure_ascii=False)}"
        for key, member in value.items()
    )
    return f"```json\n{{\n{lines}\n}}\n```"


def _tap(name: str, preset: Shipped) -> Iterator[str]:
    if preset.taps:
        ours = {"name": "target-adpostbacks", "config": {"source": name, **preset.target}}
        fragment = {"plugins": {"extractors": [preset.taps], **({"loaders": [ours]} if preset.target else {})}}
        yield "In `meltano.yml`, with the settings that matter:"
        yield f"```yaml\n{yaml.safe_dump(fragment, sort_keys=False, allow_unicode=True, width=110).strip()}\n```"


def _questions(preset: Shipped) -> Iterator[str]:
    for question in preset.requires:
        answer = f"`{question.default}`" if question.default else "nothing" if question.default == "" else "none"
        where = f"; the answer is `{question.setting}`" if question.setting else ""
        yield f"- {question.ask} Unanswered: {answer}{where}."


def _columns(fields: Mapping[str, Any]) -> Iterator[str]:
    yield "| column | is at the first of |"
    yield "| --- | --- |"
    for column, where in fields.items():
        if where:
            yield f"| `{column}` | {_code([where] if isinstance(where, str) else where)} |"


def _of_items(preset: Shipped) -> Iterator[str]:
    if preset.item_fields:
        yield "Of each entry of `contents`:"
        yield "\n".join(_columns(preset.item_fields))


def _values(preset: Shipped) -> Iterator[str]:
    if preset.values:
        yield "Texts that mean something else:"
        yield "\n".join(
            f"- `{column}`: "
            + ", ".join(
                f"`{text}` {'is ' if meaning is not None else 'is missing'}"
                + (f"`{json.dumps(meaning) if isinstance(meaning, bool) else meaning}`" if meaning is not None else "")
                for text, meaning in meanings.items()
            )
            for column, meanings in preset.values.items()
        )


def _rows(preset: Shipped) -> Iterator[str]:
    if preset.rows:
        yield "## Rows"
        yield "The first that fits; a row that none fits is skipped, `by_rule`."
        yield f"```yaml\n{yaml.safe_dump([*preset.rows], sort_keys=False, allow_unicode=True, width=110).strip()}\n```"


def _rest(preset: Shipped) -> Iterator[str]:
    said = {
        name: getattr(preset, name)
        for name in (
            *("value_unit", "minor_digits", "id_columns", "deleted", "default_timezone", "defaults", "constants"),
            "only_fields",
        )
        if getattr(preset, name) not in (None, (), {}, [])
    }
    if said:
        plain = {name: [*value] if isinstance(value, (list, tuple)) else value for name, value in said.items()}
        yield "## Further settings"
        yield f"```yaml\n{yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110).strip()}\n```"

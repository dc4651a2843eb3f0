"""What only the user knows of a source: its questions asked, and the answers as settings."""

from __future__ import annotations

from typing import Any

import click

from target_adpostbacks.cli._output import printable
from target_adpostbacks.core.columns import READERS, Reader, Unusable, read_key
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.paths import BadPath, Path
from target_adpostbacks.rules.sources import Question, Shipped


def asked(preset: Shipped, *, ask: bool) -> dict[str, Any]:
    """The settings at the top of the config that the answers are. ``ask``: False takes every default."""
    settings: dict[str, Any] = {}
    for question in preset.requires:
        answer = _answer(question) if ask else question.default or ""
        _add(settings, question, answer.strip())
    return settings


def _answer(question: Question) -> str:
    if question.choices:
        choices = click.Choice([*question.choices])
        return str(click.prompt(question.ask, type=choices, default=question.default))

    def read(text: str) -> str:
        return _checked(question, text)

    answer: str = click.prompt(question.ask, default=question.default, value_proc=read)
    return answer


def _checked(question: Question, text: str) -> str:
    """The answer. Raises UsageError, upon which it is asked again."""
    kind, _, column = question.setting.partition(".")
    if column == "event_source_url" and text.strip() and "://" not in text:
        text = f"https://{text.strip()}"
    try:
        if kind in ("fields", "id_columns", "deleted") and text.strip():
            Path(text.strip())
        elif kind == "defaults" and text.strip():
            reader: Reader = READERS.get(column, read_key)
            reader(column, text)
    except (BadPath, Unusable, InvalidConversion) as error:
        raise click.UsageError(printable(str(error))) from None
    return text


def _add(settings: dict[str, Any], question: Question, answer: str) -> None:
    """Put an answer where it belongs; nothing stands for nothing, and a default is not written down."""
    if question.choices:
        for name, value in question.choices[answer].items():
            before = settings.get(name)
            if isinstance(value, dict):
                settings[name] = {**(before or {}), **value}
            elif isinstance(value, list):
                settings[name] = [*(before or []), *value]
            else:
                settings[name] = value
        return
    if not answer or answer == question.default:
        return
    *above, last = question.setting.split(".", 1)
    place = settings.setdefault(above[0], {}) if above else settings
    place[last] = answer if question.means is None else {answer: question.means}

"""adpostbacks erase: nothing more is sent about a person, and which networks were told what."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

import click

from target_adpostbacks.cli import _configs, _erasure, _options
from target_adpostbacks.core import phones
from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.digests import KINDS, SHORTEST_KEY, fingerprint, keyed
from target_adpostbacks.core.match_keys import is_hash
from target_adpostbacks.core.phones import calling_codes
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger.erasure import OtherKey
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import erasing
from target_adpostbacks.run.listed import Given, UnusableList, given, kinds_of, people

VARIABLE = f"{_configs.PREFIX}ERASURE_KEY"
MOST_LINES = 10
"""Lines of the input that are named as wrong."""
KEYLESS = (
    "A run that began at {} has not ended, or was killed. If it has no erasure_key, it does not know of this: run the"
    " same command again after its end, for what it sent meanwhile."
)
WORDS = (
    "email",
    "phone",
    "external_id",
    "external-id",
    *(name for name, kind in COLUMN_ALIASES.items() if kind in KINDS),
)
_LINE = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})\s*[:=\s]\s*(.+)", re.IGNORECASE).fullmatch

Codes = Sequence[tuple[str, ...]]


@click.command()
@click.argument("source", metavar="[-]", nargs=-1)
@click.option("--email", "emails", metavar="EMAIL", multiple=True, help="An e-mail address, raw or SHA-256.")
@click.option("--phone", "numbers", metavar="PHONE", multiple=True, help="A phone number, raw or SHA-256.")
@click.option("--external-id", "ids", metavar="ID", multiple=True, help="Your own id of the person, raw or SHA-256.")
@_options.ledger_url
@_options.output("table", "json")
def erase(
    source: Sequence[str],
    emails: Sequence[str],
    numbers: Sequence[str],
    ids: Sequence[str],
    ledger_url: str,
    style: str,
) -> None:
    """Send nothing more about a person, and tell who was told what.

    `-` reads standard input, which shows in no list of processes. A line holds `email ada@example.com`,
    `phone +1 415 555 0100` or `external_id 4711`; an address alone, or a number with its plus, needs no word before it.
    CSV with the header email, phone, external_id is read as well. Values may be raw or SHA-256. Give all that is
    known of the person: a conversion is known by any of them.

    From now on conversions of theirs are skipped, `suppressed`, in a run that is under way too. The ledger keeps a
    keyed digest of each value, and no value. With `erasure_index: true` it knows which deliveries were theirs: what was
    waiting to be sent is skipped at once, and the document names each conversion that a network was told of. It says
    whom to ask for deletion, and is for your file.

    The config or the environment has to have the `erasure_key`. Exit 1 without it, or without a ledger. Where a line
    can't be read, nobody is erased.

    \b
    Example: adpostbacks erase - --config config.json < person.txt
    """
    options = {"email": emails, "phone": numbers, "external_id": ids}
    config = _configs.said_of_context().config
    key, codes = _key(config), _country_codes(config)
    persons = _persons(source, options, codes)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    numbers_of: dict[str, list[int]] = {}
    for person in persons:
        for form in person.forms:
            numbers_of.setdefault(keyed(form, key), []).append(person.line)
    try:
        with closing(Ledger(ledger_url, create=False)) as ledger:
            is_first = not ledger.erasure.kept().has_suppressions
            left_out = ledger.erasure.erase([*numbers_of], fingerprint(key), now)
            under_way = ledger.erasure.under_way() if is_first else None
            made = _erasure.document(ledger, numbers_of, now, left_out, Counter(person.kind for person in persons))
    except OtherKey:
        raise click.ClickException(erasing.ANOTHER) from None
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    if under_way:
        click.echo(KEYLESS.format(_erasure.shown(under_way)), err=True)
    _erasure.WRITERS[style](made)


def _key(config: Mapping[str, Any]) -> str:
    key = config.get("erasure_key")
    text = key.strip() if isinstance(key, str) else ""
    if not text:
        raise click.ClickException(
            f"erasure_key: missing; set it in the config, and name that with --config, or in the variable {VARIABLE}:"
            f" a secret of at least {SHORTEST_KEY} characters, the same for every run"
        )
    if len(text) < SHORTEST_KEY:
        raise click.ClickException(f"erasure_key: shorter than {SHORTEST_KEY} characters")
    return text


def _country_codes(config: Mapping[str, Any]) -> Codes:
    """What the accounts complete national phone numbers with."""
    sections = [config[name] for name in NETWORKS if isinstance(config.get(name), Mapping)]
    several = [section["accounts"] for section in sections if isinstance(section.get("accounts"), Mapping)]
    accounts = [account for each in several for account in each.values() if isinstance(account, Mapping)]
    codes = [settings.get("default_phone_country_code") for settings in (*sections, *accounts)]
    return [calling_codes(None, str(code).strip()) for code in dict.fromkeys(filter(None, codes))]


def _persons(source: Sequence[str], options: Mapping[str, Sequence[str]], codes: Codes) -> list[Given]:
    """Every value that is given, numbered: by its line, or in the order of the options."""
    values = [(kind, value) for kind, each in options.items() for value in each]
    if source and (source != ("-",) or values):
        raise click.UsageError("name values with --email, --phone and --external-id; or - alone reads standard input")
    if source:
        return _checked(_read(_standard_input(), codes), "line")
    if not values:
        raise click.UsageError("nobody is named: - reads standard input; or use --email, --phone or --external-id")
    return _checked([_given(number, *value, codes) for number, value in enumerate(values, 1)], "value")


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException("standard input is not text in UTF-8; nobody was erased") from None


def _read(text: str, codes: Codes) -> list[Given]:
    lines = text.splitlines()
    if lines and kinds_of(lines[0]):
        try:
            return [*people(text.splitlines(keepends=True), codes)]
        except UnusableList as unusable:
            raise click.ClickException(f"standard input: {unusable}; nobody was erased") from None
    return [_of_line(number, line.strip(), codes) for number, line in enumerate(lines, 1) if line.strip()]


def _of_line(number: int, line: str, codes: Codes) -> Given:
    """What a line says; of no kind where it does not say that."""
    if match := _LINE(line):
        name = match[1].lower().replace("-", "_")
        return _given(number, COLUMN_ALIASES.get(name, name), match[2], codes)
    kind = "email" if "@" in line else "phone" if line.startswith("+") else ""
    return _given(number, kind, line, codes) if kind else Given(number, "", ())


def _given(number: int, kind: str, value: str, codes: Codes) -> Given:
    person = given(number, kind, value, codes)
    is_national = kind == "phone" and person.forms and not is_hash(value.strip())
    if is_national and not any(phones.e164(value, code) for code in ((), *codes)):
        click.echo(
            f"{number}: a phone number without its country code is known only where records lack it too", err=True
        )
    return person


def _checked(persons: Sequence[Given], what: str) -> list[Given]:
    """The same; ends the command where one can't be used, or there is none."""
    wrong = [person for person in persons if not person.forms]
    told = [f"{what} {person.line}: {_wrong(person.kind)}" for person in wrong[:MOST_LINES]]
    if len(wrong) > MOST_LINES:
        told.append(f"and {len(wrong) - MOST_LINES} more")
    if wrong:
        raise click.UsageError("nobody was erased:\n" + "\n".join(f"  {each}" for each in told))
    if not persons:
        raise click.UsageError("standard input is empty; nobody was erased")
    return [*persons]


def _wrong(kind: str) -> str:
    return f"no usable {kind}" if kind else "of which kind is it? Write email, phone or external_id before the value"

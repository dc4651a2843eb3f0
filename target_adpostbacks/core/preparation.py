"""The pure step from a record to its postbacks, the same in the target, in worker processes and in a preview."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from target_adpostbacks.core.accounts import Account, routed
from target_adpostbacks.core.answers import Elsewhere, Skip
from target_adpostbacks.core.block import read_block
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.digests import KINDS, forms_of
from target_adpostbacks.core.disclosure import disclosure
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.mistakes import located
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import TooLarge, prepare_all
from target_adpostbacks.core.prepared import (
    Prepared,
    digest,
    for_nobody,
    invalid,
    mark_stitched,
    no_conversion,
    note,
    refuse,
    refuse_for_section,
    together,
)
from target_adpostbacks.core.record import identified, is_deleted, parse
from target_adpostbacks.core.rows import Row, raw_of
from target_adpostbacks.core.settings import PhoneSettings
from target_adpostbacks.core.ways import Make, Rule, Sources, Way

if TYPE_CHECKING:
    from target_adpostbacks.core.clicks import Stitched


class Case(NamedTuple):
    """A conversion on its way to the accounts that it is for."""

    record: Mapping[str, Any]
    way: Way
    conversion: Conversion
    accounts: Sequence[Account]
    prepared: Prepared
    stitched: Stitched | None
    elsewhere: dict[str, Elsewhere]  # by account, where a rule leaves it to others


_Row = tuple[Mapping[str, Any], Way, int, Conversion | None]
"""A record as it is read, its way and its line; and the conversion, where that is known."""


_Going = tuple[Mapping[str, Any], Way, Conversion, Prepared, Conversion, "Stitched | None"]
"""A record, its way, the conversion that it is, what it comes to, that with its person's clicks, and these."""


class Preparation:
    """How records become postbacks: the columns, the accounts, the names of networks, the rules. Can be pickled.

    A record's way, in this order; the first that refuses gives the reason. Once: ``fields``, parse, route. Then for
    each account: rules, what may leave, consent, adjustment, event name, asset, windows, age, payload.
    ``sources``: how the records of each stream are read, where the config says more than ``fields``.
    ``identifies``: whether to say whom a record is about.
    """

    def __init__(
        self,
        accounts: Mapping[str, Sequence[Account]],
        columns: Columns,
        names: Mapping[str, str],
        rules: Sequence[Rule] = (),
        sources: Sources | None = None,
        *,
        identifies: bool = False,
    ) -> None:
        self.identifies = identifies
        self.accounts = accounts
        self.columns = columns
        self.names = names
        self.rules = rules
        self.sources = sources
        self._usual = Way(columns, rules)
        self.stitch: Callable[[Conversion], Stitched] | None = None  # gives a conversion its person's clicks
        self.make: Make = prepare_all  # a preview looks at what goes in and comes out
        self.disclosures = {
            account.label: disclose
            for section in accounts.values()
            for account in section
            if account.network and (disclose := disclosure(account.network, columns.ids))
        }
        by_country = {
            (settings.default_phone_country_code, settings.phone_country_from_record): settings
            for section in accounts.values()
            for account in section
            if account.network and isinstance(settings := account.network.settings, PhoneSettings)
        }
        self._phone_settings = [*by_country.values()]
        self._every_account = [account for section in accounts.values() for account in section]
        self._networks = {
            name: account.network
            for section in accounts.values()
            for account in section
            if account.network
            for name in account.network.click_ids
        }
        self.unmet: dict[str, Sequence[str]] = {}
        """Names in rules that no record has had yet, and where they stand; of several processes what all have left."""
        for rule in (*rules, *(each for way in (sources.ways() if sources else ()) for each in way.rules)):
            self.unmet |= getattr(rule, "names", {})
        self.unmet_paths: dict[str, str] = sources.unmet() if sources else {}
        """Settings whose paths no record has met yet, and what to say of each."""

    def without_secrets(self) -> Preparation:
        """The same for a process that makes no requests."""
        accounts = {name: [account.without_secrets() for account in section] for name, section in self.accounts.items()}
        return Preparation(accounts, self.columns, self.names, self.rules, self.sources, identifies=self.identifies)

    def meet(self, unmet: Collection[str]) -> None:
        """Another process has met names in rules and paths of sources, all but those that are ``unmet`` there."""
        self.unmet = {name: places for name, places in self.unmet.items() if name in unmet}
        self.unmet_paths = {name: told for name, told in self.unmet_paths.items() if name in unmet}

    def prepare(
        self, record: Mapping[str, Any], now: datetime, *, stream: str, key: Sequence[str] = (), line: int = 0
    ) -> Prepared:
        """One record of a stream whose key properties are ``key``. Never raises for data."""
        (prepared,) = self.prepare_all((record,), now, stream=stream, key=key, lines=(line,))
        return prepared

    def prepare_all(
        self,
        records: Sequence[Mapping[str, Any]],
        now: datetime,
        *,
        stream: str,
        key: Sequence[str] = (),
        lines: Sequence[int],
    ) -> list[Prepared]:
        """What each of several records comes to, in their order; see ``postback.prepare_all``."""
        if self.sources is None:
            conversions = read_block(records, self._usual.columns)
            return self._all([*zip(records, repeat(self._usual), lines, conversions)], now, stream, key)
        counts: list[int] = []
        rows: list[_Row] = []
        for record, line in zip(records, lines, strict=True):
            read = self.read(record, stream)
            counts.append(0 if read is None else len(read[1]))
            if read is not None:
                way, its_rows = read
                rows += [(row, way, line, None) for row in its_rows]
        prepared = iter(self._all(rows, now, stream, key))
        return [
            together(next(prepared), islice(prepared, count - 1)) if count else Prepared(stream, line, conversions=0)
            for count, line in zip(counts, lines, strict=True)
        ]

    def read(self, record: Mapping[str, Any], stream: str) -> tuple[Way, Sequence[Mapping[str, Any]]] | None:
        """How a record of a stream is read, and what that makes of it: often the one row, never none.

        None: no source reads the stream.
        """
        if self.sources is None:
            return self._usual, (record,)
        way = self.sources.way(stream)
        if way is None:
            return None
        if self.unmet_paths:
            for name in self.sources.met(record, stream, [*self.unmet_paths]):
                del self.unmet_paths[name]
        try:
            return way, (record,) if way.rows is None else way.rows(record)
        except RecursionError:
            return way, (Row({}, record, left_out=("invalid", "record: nested too deeply")),)

    def conversions(self, record: Mapping[str, Any], stream: str, key: Sequence[str]) -> Iterator[Conversion]:
        """What a record of a stream says of conversions, before anything is decided about them."""
        way, rows = self.read(record, stream) or (self._usual, ())
        for row in rows:
            if not is_deleted(row):
                with suppress(InvalidConversion, RecursionError):
                    yield parse(row, way.columns, key, stream)

    def prepare_row(
        self, record: Mapping[str, Any], way: Way, now: datetime, *, stream: str, key: Sequence[str], line: int
    ) -> Prepared:
        """One of what ``read`` makes of a record."""
        (prepared,) = self._all([(record, way, line, None)], now, stream, key)
        return prepared

    def _all(self, rows: Sequence[_Row], now: datetime, stream: str, key: Sequence[str]) -> list[Prepared]:
        """What each row comes to. Once: parse, route. Then for each account that they are for."""
        all_prepared: list[Prepared] = []
        going: list[_Going] = []
        for record, way, line, read in rows:
            parsed = self._parsed(record, way, stream, key, line, read)
            if isinstance(parsed, Prepared):
                all_prepared.append(parsed)
                continue
            if self.unmet:
                self._meet(record, parsed)
            prepared = Prepared(stream, line, unusable=parsed.unusable, nested=parsed.nested_columns)
            all_prepared.append(prepared)
            try:
                going.append(self._admitted(record, way, parsed, prepared))
            except Skip as skip:
                prepared.not_sent.append(for_nobody(parsed, stream, line, skip.reason, skip.message))
        by_account: dict[str, list[Case]] = {}
        cases = self._routed(going)
        for case in cases:
            for account in case.accounts:
                by_account.setdefault(account.label, []).append(case)
        for account in self._every_account if by_account else ():
            if its_cases := by_account.get(account.label):
                self._for_account(account, its_cases, now, stream, key)
        for case in cases:
            if case.elsewhere:
                refuse_for_section(case.accounts, case.elsewhere, case.conversion, case.prepared)
        return all_prepared

    def _parsed(
        self,
        record: Mapping[str, Any],
        way: Way,
        stream: str,
        key: Sequence[str],
        line: int,
        read: Conversion | None,
    ) -> Conversion | Prepared:
        """The conversion that a row is, or what it comes to where it is none."""
        columns = way.columns
        try:
            if is_deleted(record):
                return self._left_out(record, columns, stream, key, line, "deleted")
            if way.rows is not None and isinstance(record, Row) and record.left_out:
                reason, message = record.left_out
                if reason == "invalid":
                    raise InvalidConversion(*message.split(": ", 1))
                return self._left_out(record, columns, stream, key, line, reason, message)
            return read or parse(record, columns, key, stream)
        except InvalidConversion as error:
            own_id = columns.own_id(record)
            return invalid(stream, line, digest(raw_of(record), line), error.field, error.rule, own_id)
        except RecursionError:
            return invalid(stream, line, digest(raw_of(record), line), "record", "nested too deeply")

    def _admitted(self, record: Mapping[str, Any], way: Way, parsed: Conversion, prepared: Prepared) -> _Going:
        """A conversion with the clicks of its person. Raises Skip."""
        conversion = parsed if way.rows is None else way.admitted(record, parsed)
        if self.stitch is None:
            return record, way, parsed, prepared, conversion, None
        stitched = self.stitch(conversion)
        return record, way, parsed, prepared, stitched.conversion, stitched

    def _routed(self, going: Sequence[_Going]) -> list[Case]:
        """The conversions that there are accounts for."""
        cases: list[Case] = []
        chosen = routed([conversion for *_, conversion, _ in going], self.accounts, self.names)
        for (record, way, parsed, prepared, conversion, stitched), accounts in zip(going, chosen, strict=True):
            if isinstance(accounts, Skip):
                stream, line = prepared.stream, prepared.line
                prepared.not_sent.append(for_nobody(parsed, stream, line, accounts.reason, accounts.message))
                continue
            if self.identifies:
                prepared.person = self._person(conversion)
            cases.append(Case(record, way, conversion, accounts, prepared, stitched, {}))
        return cases

    @property
    def country_codes(self) -> list[tuple[str, ...]]:
        """What completes phone numbers that say no country, by account."""
        return [settings.country_codes(None) for settings in self._phone_settings]

    def _person(self, c: Conversion) -> tuple[str, ...]:
        """The forms of whoever a conversion is about, with its phone numbers as any account completes them."""
        return forms_of(c, [settings.country_codes(c.country) for settings in self._phone_settings])

    def unmet_names(self) -> list[str]:
        """A sentence for each name in rules that no record has had, and for each path of a source."""
        names = [
            f"{', '.join(places)}: no record of the run had a column {name}; check its spelling."
            for name, places in self.unmet.items()
        ]
        return [*names, *dict.fromkeys(self.unmet_paths.values())]

    def _meet(self, record: Mapping[str, Any], conversion: Conversion) -> None:
        for name in [*self.unmet]:
            is_there = name in record or name in conversion.ids or name in raw_of(record)
            if is_there or getattr(conversion, name, None) not in (None, (), {}) or self._clicked(name, conversion):
                del self.unmet[name]

    def _clicked(self, name: str, conversion: Conversion) -> bool:
        """Whether a conversion has a network's click id of this name, in a URL for example."""
        network = self._networks.get(name)
        click = network.click(conversion) if network else None
        return click is not None and click[0] == name

    def _for_account(
        self, account: Account, cases: Sequence[Case], now: datetime, stream: str, key: Sequence[str]
    ) -> None:
        """Add what an account gets of each conversion, or why it does not."""
        is_checked = account.label in self.disclosures
        going: list[tuple[Case, Conversion]] = []
        for case in cases:
            conversion = case.conversion if case.stitched is None else case.stitched.of(account.section)
            refused: Exception | None = None
            if is_checked or case.way.rules:
                conversion, refused = self._ruled(case, conversion, account, key)
            if isinstance(refused, Elsewhere):
                case.elsewhere[account.label] = refused
            elif refused is not None:
                _refused(case.prepared, account, conversion, refused)
            else:
                going.append((case, conversion))
        lines = [case.prepared.line for case, _ in going]
        made = self.make(account, [conversion for _, conversion in going], now, stream, lines)
        by_match_keys: dict[str, list[tuple[Case, Conversion]]] = {}
        for one, each in zip(going, made, strict=True):
            case, conversion = one
            if isinstance(each, Exception):
                _refused(case.prepared, account, conversion, each)
            else:
                case.prepared.postbacks.append(each)
                by_match_keys.setdefault(each.facts.match_keys, []).append(one)
        if account.network:
            for match_keys, alike in by_match_keys.items():
                _note_unusable(account.network, alike, frozenset(match_keys.split(",")))
        for case in cases:
            if case.stitched is not None:
                mark_stitched(case.prepared, case.stitched, account.section)

    def _ruled(
        self, case: Case, conversion: Conversion, account: Account, key: Sequence[str]
    ) -> tuple[Conversion, Exception | None]:
        """A conversion as the rules leave it, without what may not leave; and what keeps it from the account."""
        prepared = case.prepared
        try:
            for rule in case.way.rules:
                ruled = rule(case.record, conversion, account)
                if isinstance(ruled, Skip):
                    return conversion, ruled
                if ruled is not conversion:
                    if not ruled.event_id:
                        columns = case.way.columns
                        ruled = _identified(case.record, conversion, ruled, columns, prepared.stream, key)
                    if self.identifies and any(getattr(ruled, kind) != getattr(conversion, kind) for kind in KINDS):
                        prepared.person = tuple(dict.fromkeys((*prepared.person, *self._person(ruled))))
                    conversion = ruled
                    note(prepared, ruled.unusable, ruled.ruled_columns)
            if disclose := self.disclosures.get(account.label):
                conversion = disclose(conversion)
        except Exception as error:  # noqa: BLE001 - a mistake about one conversion; the text may hold values
            return conversion, error
        return conversion, None

    def _left_out(
        self,
        record: Mapping[str, Any],
        columns: Columns,
        stream: str,
        key: Sequence[str],
        line: int,
        reason: str,
        message: str = "",
    ) -> Prepared:
        """A row that is known as the conversion that it would be, else by its ids."""
        try:
            conversion = parse(record, columns, key, stream)
        except (InvalidConversion, RecursionError):
            known = columns.own_id(record) if isinstance(record, Row) else ""
            if not known:
                mapped = columns.mapped(record)
                keyed = record.raw if isinstance(record, Row) else mapped
                identity = [*(keyed.get(name) for name in key), mapped.get("event_id")]
                known = f"{stream[:200]}-{digest(identity, line)[:32]}"
            not_sent = no_conversion(known, stream, line, reason, message)
        else:
            not_sent = for_nobody(conversion, stream, line, reason, message)
        return Prepared(stream, line, not_sent=[not_sent])


def _refused(prepared: Prepared, account: Account, conversion: Conversion, error: Exception) -> None:
    """Add the row of what an account does not get, and what it says of a mistake of ours or of the mapping."""
    if isinstance(error, TooLarge):
        prepared.not_sent.append(error.not_sent)
        return
    skip = error if isinstance(error, Skip) else Skip("invalid", located(error))
    if skip.reason == "invalid":
        prepared.mistakes += (skip.message,)
    if skip.reason == "no_match_key" and account.network:
        note(prepared, account.network.unusable(conversion, ()), conversion.ruled_columns)
    refuse(prepared, account, conversion, Skip(skip.reason, skip.message, skip.rule or conversion.applied_rule))


def _note_unusable(network: Network[Any], cases: Sequence[tuple[Case, Conversion]], sent: frozenset[str]) -> None:
    """Add what a network could not use of conversions of which it is sent these match keys."""
    if network.uses_all([conversion for _, conversion in cases], sent):
        return
    for case, conversion in cases:
        if lost := network.unusable(conversion, sent):
            note(case.prepared, lost, conversion.ruled_columns)


def _identified(
    record: Mapping[str, Any],
    before: Conversion,
    ruled: Conversion,
    columns: Columns,
    stream: str,
    key: Sequence[str],
) -> Conversion:
    """What a rule made of a conversion, when it took the event id away. Raises Skip."""
    try:
        return identified(ruled, record, columns, key, stream, before.event_spelling)
    except InvalidConversion as error:
        raise Skip("invalid", f"rule {ruled.applied_rule}, set.{error}", ruled.applied_rule) from None

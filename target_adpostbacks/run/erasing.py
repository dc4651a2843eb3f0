"""About whom a run sends nothing: whoever was erased from its ledger, and whoever is in the config's list."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from target_adpostbacks.config import General, InvalidConfig
from target_adpostbacks.core.digests import fingerprint, keyed
from target_adpostbacks.delivery.people import People
from target_adpostbacks.ledger import Erasure, Ledger
from target_adpostbacks.ledger.erasure import Kept, OtherKey

MISSING = (
    "erasure_key: missing, and people were erased from this ledger: without the key, their conversions would be sent"
    " again; set the key that they were erased with"
)
ANOTHER = (
    "erasure_key: not the one that this ledger's digests are made with; set that one again, or people who were erased"
    " are not known any more"
)


def problem(key: str | None, kept: Kept) -> str:
    """What is wrong with a config's key for a ledger; empty: nothing is."""
    if key is None:
        return MISSING if kept.has_suppressions else ""
    return ANOTHER if kept.fingerprint not in ("", fingerprint(key)) else ""


def people_of(
    general: General, ledger: Ledger, country_codes: Sequence[tuple[str, ...]], now: str, log: logging.Logger
) -> People | None:
    """About whom nothing is sent; None: nobody is looked for. Raises InvalidConfig, with the ledger closed.

    ``country_codes``: what completes phone numbers of the list.
    """
    try:
        return _people_of(general, ledger.erasure, country_codes, now, log)
    except BaseException:
        ledger.close()
        raise


def _people_of(
    general: General, erasure: Erasure, country_codes: Sequence[tuple[str, ...]], now: str, log: logging.Logger
) -> People | None:
    key, kept = general.erasure_key, erasure.kept()
    mistakes = [mistake] if (mistake := problem(key, kept)) else []
    listed: set[str] = set()
    if general.suppress and key:
        mistakes += _read(general.suppress, key, country_codes, listed, log)
    if mistakes:
        raise InvalidConfig(mistakes)
    try:
        if key and general.erasure_index:
            erasure.index_from(now, fingerprint(key))
        elif kept.indexed_since:
            erasure.end_index()
    except OtherKey:
        raise InvalidConfig([ANOTHER]) from None
    return People(erasure, key, listed, has_index=general.erasure_index) if key else None


def _read(
    path: str, key: str, country_codes: Sequence[tuple[str, ...]], listed: set[str], log: logging.Logger
) -> Iterator[str]:
    """Add the digests of a list; a mistake where it can't be read."""
    from target_adpostbacks.run.listed import UnusableList, from_file

    try:
        people = from_file(path, country_codes)
    except UnusableList as unusable:
        yield f"suppress: {unusable}"
        return
    listed.update(keyed(form, key) for each in people for form in each.forms)
    if unread := [each for each in people if not each.forms]:
        line, kind, _ = unread[0]
        so_many = "it stands" if len(unread) == 1 else f"{len(unread)} such values stand"
        log.warning("suppress: line %d: no usable %s; %s for nobody.", line, kind, so_many)

"""About whom a run sends nothing: whoever was erased from its ledger, and whoever is in the config's list."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from target_adpostbacks.config import General, InvalidConfig
from target_adpostbacks.core.digest_set import DigestSet
from target_adpostbacks.core.digests import digest, fingerprint
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
    if mistake := problem(key, kept):
        raise InvalidConfig([mistake])
    listed = digests_of_list(general, country_codes, log.warning)
    try:
        if key and general.erasure_index:
            erasure.index_from(now, fingerprint(key))
        elif kept.indexed_since:
            erasure.end_index()
    except OtherKey:
        raise InvalidConfig([ANOTHER]) from None
    return People(erasure, key, listed, has_index=general.erasure_index) if key else None


def digests_of_list(
    general: General, country_codes: Sequence[tuple[str, ...]], warn: Callable[[str], None]
) -> DigestSet:
    """Whom the list of a config names; nobody without one. Raises InvalidConfig where it can't be read."""
    path, key = general.suppress, general.erasure_key
    digests = DigestSet()
    if not (path and key):
        return digests
    from target_adpostbacks.run.listed import UnusableList, from_file

    first, unread = "", 0
    try:
        for line, kind, forms in from_file(path, country_codes):
            for form in forms:
                digests.add(digest(form, key))
            if not forms:
                first, unread = first or f"line {line}: no usable {kind}", unread + 1
    except UnusableList as unusable:
        raise InvalidConfig([f"suppress: {unusable}"]) from None
    if unread:
        so_many = "it stands" if unread == 1 else f"{unread} such values stand"
        warn(f"suppress: {first}; {so_many} for nobody.")
    return digests

"""Whether all tasks of a job reach one ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.ledger.address import parsed


def shared_ledger(config: Mapping[str, Any], driver: str) -> str:
    """The ledger's URL in the config, if tasks on this machine and the driver on ``driver`` have it in common.

    Raises UnusableLedger.
    """
    url = str(config.get("ledger_url") or "").strip()
    if not url:
        raise UnusableLedger(
            "ledger_url: missing. All tasks of a job share one ledger, and have no folder in common where it could be;"
            " set it in the config that the option config names (or config_variable, secret_scope), or the variable"
            " TARGET_ADPOSTBACKS_LEDGER_URL"
        )
    try:
        address = parsed(url)
    except ValueError as error:
        raise UnusableLedger(str(error)) from None
    if address.is_sqlite:
        if not Path(address.file).is_absolute():
            raise UnusableLedger(
                "ledger_url: the whole path of a SQLite file expected, as in sqlite:////data/adpostbacks.db; each"
                " executor has a folder of its own"
            )
        if (here := os.uname().nodename) != driver:
            raise UnusableLedger(
                f"ledger_url: SQLite is a file on one machine, and this job runs on several: its driver on {driver},"
                f" this task on {here}. Use PostgreSQL, or a cluster on one machine"
            )
    return url

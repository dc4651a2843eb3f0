"""Records through the doctor, with the clock of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from conftest import NOW

from target_adpostbacks import config
from target_adpostbacks.config.stand_ins import every_network
from target_adpostbacks.doctor import Diagnosis, Examination, FileMemory, Found
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of


def a_good_record(**changes: Any) -> dict[str, Any]:
    """A record in which the doctor finds nothing; None removes a column."""
    record = {
        "event_name": "sign_up",
        "event_id": "evt-1",
        "event_time": "2026-11-20T12:00:00Z",
        "network": "tiktok",
        "ttclid": "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH",
        "email": "ada@lovelace.dev",
        "ip_address": "81.2.69.142",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        **changes,
    }
    return {column: value for column, value in record.items() if value is not None}


def diagnosis(*records: Mapping[str, Any], key: tuple[str, ...] = (), **settings: Any) -> Diagnosis:
    """What the doctor says of records; ``settings``: a config, else every network."""
    read = config.read(settings) if settings else (config.General(), every_network())
    with closing(FileMemory()) as memory:
        examination = Examination(
            preparation_of(*read),
            NETWORKS.values(),
            memory,
            fields=settings.get("fields", ()),
            is_zone_known="default_timezone" in settings,
        )
        for line, record in enumerate(records, 1):
            examination.take(record, NOW, stream="orders", key=key, line=line)
        return examination.diagnosis()


def findings(*records: Mapping[str, Any], **settings: Any) -> dict[tuple[str, str | None, str | None], Found]:
    """Slug, column and network to each finding."""
    return {(each.finding, each.column, each.network): each for each in diagnosis(*records, **settings).findings}


def slugs(*records: Mapping[str, Any], **settings: Any) -> list[str]:
    """The slugs of what is found."""
    return [each.finding for each in diagnosis(*records, **settings).findings]

"""What became of our conversions by network, event and quarter of an hour, for ``core.reconciliation``."""

from __future__ import annotations

from collections.abc import Collection

from target_adpostbacks.core.performance.counting import By, Window
from target_adpostbacks.core.reconciliation import Ours
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.performance import IS_TRIAL
from target_adpostbacks.ledger.tables import AD_PERFORMANCE, DELIVERIES

RANKS = "CASE status WHEN 'accepted' THEN 0 WHEN 'open' THEN 1 WHEN 'rejected' THEN 2 ELSE 3 END"
"""Of several deliveries of a conversion to one network, the first of these statuses is what became of it."""


def recorded(
    database: Database,
    window: Window,
    by: By,
    click_keys: Collection[str],
    named_by_account: Collection[str] = (),
    network: str | None = None,
) -> list[Ours]:
    """Our conversions around these days, each counted once for a network; those for nobody have an empty one.

    ``click_keys``: what match keys are called that are click ids; ``named_by_account``: sections whose accounts are
    networks; ``network``: only of this one. Tests and corrections are not in it, nor a trial of what is live.
    """
    time = "event_time" if by == "conversion" else "COALESCE(click_time, event_time)"
    happened = f"COALESCE({time}, updated_at)"
    by_account, values = database.among("network", "sections", [*named_by_account])
    clicked = {f"click_{number}": f"%,{key},%" for number, key in enumerate(sorted(click_keys))}
    has_click = " OR ".join(f"keys LIKE :{name}" for name in clicked) or "1 = 0"
    values |= clicked | dict(zip(("since", "until"), window.around, strict=True)) | {"asked": network or ""}
    query = f"""
        SELECT network, campaign_id, event_name, hour, quarter, status, why, COUNT(*), SUM(sent), SUM(unclicked)
        FROM (
            SELECT name AS network, campaign_id, event_name, status, sent,
            SUBSTR(happened, 1, 13) AS hour, CAST(SUBSTR(happened, 15, 2) AS INTEGER) / 15 AS quarter,
            CASE WHEN status = 'accepted' THEN '' WHEN status = 'rejected' AND code <> '' THEN code ELSE reason END
            AS why,
            CASE WHEN status = 'accepted' AND NOT ({has_click}) THEN 1 ELSE 0 END AS unclicked
            FROM (
                SELECT each.*, ROW_NUMBER() OVER (
                    PARTITION BY name, event_name, event_id ORDER BY is_trial, {RANKS}, delivery_id
                ) AS place, MAX(was_sent) OVER (PARTITION BY name, event_name, event_id, is_trial) AS sent
                FROM (
                    SELECT CASE WHEN {by_account} THEN account ELSE network END AS name,
                    {IS_TRIAL} AS is_trial,
                    CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END AS was_sent,
                    {happened} AS happened, COALESCE(campaign_id, '') AS campaign_id, ',' || match_keys || ',' AS keys,
                    delivery_id, event_name, event_id, status, reason, code
                    FROM {database.table(DELIVERIES)}
                    WHERE NOT test AND adjustment = '' AND {happened} >= :since AND {happened} < :until
                    AND (event_time IS NOT NULL OR (network = '' AND reason = 'invalid'))
                ) AS each
            ) AS best WHERE place = 1
        ) AS conversions
        {"WHERE network = :asked" if network is not None else ""}
        GROUP BY network, campaign_id, event_name, hour, quarter, status, why
    """
    if network is None:
        del values["asked"]
    return [Ours(*row[:7], *map(int, row[7:])) for row in database.read(query, values)]


def networks_with_statistics(database: Database) -> set[str]:
    """The networks whose ads there are statistics of."""
    return {row.network for row in database.read(f"SELECT DISTINCT network FROM {database.table(AD_PERFORMANCE)}")}

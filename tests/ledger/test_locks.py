"""Locks on assets behind a connection pooler; tests/ledger/test_ledger.py has those of each kind of ledger."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest
from pgbouncer import pgbouncer

from target_adpostbacks.ledger import Ledger, UnusableLedger

pytestmark = pytest.mark.slow
POOLED = "a connection pooler that shares sessions"


def test_behind_a_pool_that_shares_sessions_no_run_sends(postgres_url: str) -> None:
    with pgbouncer(postgres_url, "transaction") as url:
        for run_id in ("run-1", "run-2"):
            ledger = Ledger(url, run_id)
            for _ in range(2):
                with pytest.raises(UnusableLedger, match=POOLED):
                    ledger.claim("tiktok", "pixel-a")
            ledger.close()


def test_behind_a_pool_that_takes_its_sessions_by_turns_neither(postgres_url: str) -> None:
    with pgbouncer(postgres_url, "transaction", round_robin=True) as url:
        with ExitStack() as transactions:
            for _ in range(4):
                transactions.enter_context(psycopg.connect(url.replace("+psycopg", ""))).execute("SELECT 1")
        ledger = Ledger(url, "run-1")
        with pytest.raises(UnusableLedger, match=POOLED):
            ledger.claim("tiktok", "pixel-a")
        ledger.close()


def test_behind_a_pool_of_whole_sessions_an_asset_belongs_to_one_run(postgres_url: str) -> None:
    with pgbouncer(postgres_url, "session") as url:
        one, other = Ledger(url, "run-1"), Ledger(url, "run-2")
        assert one.claim("tiktok", "pixel-a")
        assert not other.claim("tiktok", "pixel-a")
        assert one.claim("tiktok", "pixel-a")
        one.close()
        assert other.claim("tiktok", "pixel-a")
        other.close()

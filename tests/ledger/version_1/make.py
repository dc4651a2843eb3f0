"""Makes ``adpostbacks.db``, a ledger of the program of commit af7de7d, which knew no versions.

In a checkout of that commit, with the environment of this one:

    PYTHONPATH=. python …/tests/ledger/version_1/make.py

The people, events and tokens are made up; the networks are that commit's own simulation of them, on the loopback.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

TOKEN = "made-up-token"
FAULTS: list[dict[str, Any]] = [
    {"network": "tiktok", "status": 503, "times": 1},
    {"network": "tiktok", "refuse_event_id": "evt-refused"},
    {"network": "reddit", "reset": "after"},
]


def record(event_id: str, network: str = "tiktok", **columns: Any) -> str:
    happened = datetime.now(timezone.utc) - timedelta(hours=1)
    made_up = {"email": "ada@example.com", "value": 19.99, "currency": "EUR", "campaign_id": "c-1", "ad_id": "ad-1"}
    columns = {
        "event_id": event_id,
        "event_name": "purchase",
        "event_time": happened.isoformat(),
        "network": network,
        **(made_up | {"ttclid": "E.C.P.abc", "rdt_cid": "abc"} | columns),
    }
    return json.dumps({"type": "RECORD", "stream": "conversions", "record": columns}) + "\n"


LINES = [
    '{"type": "SCHEMA", "stream": "conversions", "schema": {"properties": {}}, "key_properties": []}\n',
    record("evt-taken"),
    record("evt-refused"),
    record("evt-also-taken", value=5, campaign_id=None),
    record("evt-organic", "organic"),
    record("evt-old", event_time="2020-01-01T00:00:00Z"),
    record("evt-silent", "reddit"),
]


def main() -> None:
    from target_adpostbacks.twin import Twin  # type: ignore[import-not-found]  # of that commit

    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder, Twin(faults=FAULTS) as twin:
        common = {"base_url": twin.url, "access_token": TOKEN}
        config = Path(folder, "config.json")
        sections = {
            "tiktok": {**common, "pixel_code": "D7VH38JC77U3LFDOLGRG"},
            "reddit": {**common, "pixel_id": "a2_demo1234", "max_attempts": 2},
        }
        config.write_text(json.dumps(sections))
        command = [sys.executable, "-m", "target_adpostbacks", "--config", str(config)]
        env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        subprocess.run(command, input="".join(LINES), text=True, cwd=folder, env=env, check=False)
        killed = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=env
        )
        assert killed.stdin
        assert killed.stderr
        killed.stdin.write("oops\n")
        killed.stdin.flush()
        assert any("malformed JSON" in line for line in killed.stderr)  # the run has begun
        killed.kill()
        killed.communicate()
        with sqlite3.connect(Path(folder, "adpostbacks.db")) as ledger:
            ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        Path(here, "adpostbacks.db").write_bytes(Path(folder, "adpostbacks.db").read_bytes())


if __name__ == "__main__":
    main()

"""What docs/erase.md says to type works as it stands there, with the files that it shows."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from patience import run_to_its_end

from target_adpostbacks.sandbox import Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "erase.md").read_text()
ADA, GRACE = "ada@example.com", "grace@example.com"


def blocks(kind: str) -> list[str]:
    fenced: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    return [block for each, block in fenced if each == kind]


def purchase(number: int, email: str) -> dict[str, str]:
    now = datetime.now(timezone.utc).isoformat()
    return {"event_name": "purchase", "event_id": f"e{number}", "event_time": now, "ttclid": "E.C.P.a", "email": email}


def test_the_commands_of_the_page_work_with_the_files_that_it_shows(tmp_path: Path) -> None:
    erase, key = (block.removeprefix("$ ") for block in blocks("console"))
    (person, people), (suppress,) = blocks(""), map(json.loads, blocks("json"))
    (tmp_path / "person.txt").write_text(person)
    (tmp_path / "people.csv").write_text(people)
    (tmp_path / suppress["suppress"]).write_text(people)
    run = "target-adpostbacks --config config.json"
    with Sandbox() as sandbox:
        section = {"pixel_code": "D7VH38JC77U3LFDOLGRG", "access_token": "any", "base_url": sandbox.url}
        config = {"tiktok": section, "erasure_index": True}
        for name, content in (("config", config), ("listed", {**config, **suppress})):
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        (tmp_path / "1.jsonl").write_text(json.dumps(purchase(1, ADA)))
        (tmp_path / "2.jsonl").write_text(json.dumps(purchase(2, ADA)))
        (tmp_path / "3.jsonl").write_text(json.dumps(purchase(3, GRACE)))
        script = [key, f"{run} < 1.jsonl", erase, f"{run} < 2.jsonl", f"{run.replace('config.', 'listed.')} < 3.jsonl"]
        script.append(f"{erase.partition('<')[0]} < people.csv")
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        ran = run_to_its_end(["bash", "-ec", "\n".join(script)], cwd=tmp_path, env=env)
        assert ran.returncode == 0, ran.stderr
        assert [event["event_id"] for event in sandbox.received] == ["e1"]
    assert "1 email, 1 phone, 1 external_id" in ran.stdout
    assert "2 email, 1 external_id" in ran.stdout
    with closing(sqlite3.connect(tmp_path / "adpostbacks.db")) as connection:
        reasons = connection.execute("SELECT event_id, reason FROM deliveries ORDER BY 1").fetchall()
    assert reasons == [("e1", ""), ("e2", "suppressed"), ("e3", "suppressed")]

"""What several threads do for the first time at once ends well.

msgspec looks at a struct's annotations when it first reads one, and notes that it has before it is done: a second
thread that comes in between ends the process. So nothing is first read in a thread that is not the only one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SETTINGS
from patience import PATIENCE

from target_adpostbacks.sandbox import Sandbox

PROGRAM = """
import json, sys, threading, time
from datetime import datetime, timezone

looking = set()
most = 0

def linger(frame, event, _):
    global most
    if frame.f_code.co_name == "get_class_annotations":
        if event == "call":
            looking.add(threading.get_ident())
            most = max(most, len(looking))
            time.sleep(0.1)
        elif event == "return":
            looking.discard(threading.get_ident())

threading.setprofile(linger)
config, number = json.loads(sys.argv[1]), 4
together = threading.Barrier(number)
""".strip()

DELIVER = """
from target_adpostbacks import deliver

def each(thread):
    record = {
        "event_name": "purchase", "event_id": f"e{thread}", "event_time": time.time(), "email": "a@example.com",
        "ttclid": "E.C.P.abc", "value": 4, "currency": "EUR", "contents": [{"id": "shoe", "price": 4}],
    }
    together.wait()
    told[thread] = deliver([record], {**config, "ledger_url": f"sqlite:///{thread}.db"}).read
"""

CHECK = """
from contextlib import closing
from target_adpostbacks.config import read
from target_adpostbacks.delivery.check import check
from target_adpostbacks.delivery.transport import HttpTransport

_, sections = read(config)
accounts = [account for section in sections.values() for account in section]

def each(thread):
    with closing(HttpTransport()) as transport:
        together.wait()
        told[thread] = [check(account, transport, lambda: datetime.now(timezone.utc)) for account in accounts]
"""

ENDED = """
told = {}
threads = [threading.Thread(target=each, args=(thread,)) for thread in range(number)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(told), "one at a time" if most < 2 else f"{most} at once")
"""


@pytest.mark.parametrize("what", [DELIVER, CHECK], ids=["deliver", "check"])
def test_threads_that_begin_together_all_end(what: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sections = {name: {**SETTINGS[name], "base_url": sandbox.url} for name in ("meta", "tiktok")}
        config = {**sections, "rules": [{"name": "dear", "when": "value > 3", "set": {"value": 4}}]}
        ran = subprocess.run(
            [sys.executable, "-c", f"{PROGRAM}{what}{ENDED}", json.dumps(config)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (ran.returncode, ran.stdout) == (0, "[0, 1, 2, 3] one at a time\n"), ran.stderr

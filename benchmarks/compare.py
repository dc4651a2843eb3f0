"""Whether this checkout does what another commit does: every event to the byte, ledger, log and state.

``make compare COMMIT=169f89e`` runs both over the same untidy records and prints what differs: ``-`` only there, ``+``
only here. ``--set workers=2`` changes a setting of this checkout alone. The other commit gets an environment of its
own in ``.compare``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "reliability")]

from local_server import local_server  # noqa: E402
from observed import observe  # noqa: E402
from run_target import COMMAND  # noqa: E402
from untidy import SEED, full_config, lines, plain_config  # noqa: E402

CONFIGS = {"plain": plain_config, "full": full_config}


def installed(commit: str) -> str:
    """The command of another commit, installed beside this checkout with the same libraries."""
    name = subprocess.check_output(["git", "rev-parse", commit], cwd=ROOT, text=True).strip()
    place = ROOT / ".compare" / name
    command = place / "venv" / "bin" / "target-adpostbacks"
    if not command.exists():
        place.parent.mkdir(exist_ok=True)
        subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=True)
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", str(place), name], cwd=ROOT, check=True)
        subprocess.run(["make", "--quiet", "setup", "VENV=venv"], cwd=place, check=True)
    return str(command)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="the other one")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=[*CONFIGS])
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=JSON", help="a setting of this checkout alone"
    )
    parser.add_argument("--show", type=int, default=40, metavar="LINES", help="how many differences are printed")
    options = parser.parse_args()
    other = installed(options.commit)
    own = {name: json.loads(value) for name, _, value in (each.partition("=") for each in options.set)}
    now = datetime.now(timezone.utc).replace(microsecond=0)
    found = 0
    with local_server() as server, tempfile.TemporaryDirectory() as place:
        for name in options.configs:
            folder = Path(place, name)
            folder.mkdir()
            said = lines(options.records, now, folder, options.seed)
            inputs = [said[: len(said) * 3 // 5], said]
            config = CONFIGS[name](server.url)
            began = time.monotonic()
            before = observe(server, folder / "before", config, inputs, [other])
            after = observe(server, folder / "after", {**config, **own}, inputs, [COMMAND])
            differences = before.differences(after)
            found += len(differences)
            print(
                f"{name}: {options.records:,} records, {before.events.total():,} events, {before.rows.total():,} rows, "
                f"{len(differences)} differences ({time.monotonic() - began:.0f} s)"
            )
            kinds = Counter(each.partition(":")[0] for each in differences)
            print(*(f"{count:6} {kind}" for kind, count in kinds.items()), sep="\n")
            for each in differences[: options.show]:
                print(" ", each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Where target-adpostbacks starts: it can be interrupted while everything else is still being imported."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Run the command. Until it has signals of its own, an interrupt ends it at once: nothing has been read."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # it would look through what is imported, a tenth of an empty run; the run does so while it reads
    from target_adpostbacks.singer.streams import open_closed

    open_closed("stderr")
    from target_adpostbacks.singer.starting import started_early

    started, head_start = started_early(sys.argv[1:])
    from target_adpostbacks.singer.target import TargetAdpostbacks

    TargetAdpostbacks.started, TargetAdpostbacks.head_start = started, head_start
    TargetAdpostbacks.cli()


if __name__ == "__main__":
    main()

"""A real PgBouncer before a test's database; Debian's package, which `make pgbouncer` installs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import PATIENCE
from sqlalchemy import make_url

CONFIG = """
[databases]
ledger = host={host} port={port} dbname={database} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
auth_type = any
pool_mode = {pool_mode}
unix_socket_dir =
server_round_robin = {round_robin}
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pgbouncer(postgres_url: str, pool_mode: str, *, round_robin: bool = False) -> Iterator[str]:
    """The URL of the same database by way of PgBouncer. ``round_robin``: it takes its sessions by turns."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed: make pgbouncer")
    server = make_url(postgres_url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen_port = probe.getsockname()[1]
    nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pgbouncer.ini")
        parts = {name: getattr(server, name) for name in ("host", "port", "database", "password")}
        config.write_text(
            CONFIG.format(
                **parts,
                user=server.username,
                listen_port=listen_port,
                pool_mode=pool_mode,
                round_robin=int(round_robin),
            )
        )
        Path(folder).chmod(0o755)
        config.chmod(0o644)
        with subprocess.Popen([program, "-q", str(config)], user=nobody) as process:
            try:
                _await(listen_port)
                yield str(server.set(port=listen_port, database="ledger").render_as_string(hide_password=False))
            finally:
                process.terminate()


def _await(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("PgBouncer does not listen")

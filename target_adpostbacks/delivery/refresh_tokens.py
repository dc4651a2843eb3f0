"""Keeps a refresh token that each use replaces, in a file of the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.delivery import disk

LONGEST = 10_000
"""Bytes of a token."""


class NotKept(Exception):
    """Why a refresh token can't be kept: the setting, the rule and the next step."""


class InUse(Exception):
    """Another run signs in with the token."""


class KeptToken:
    """The file of a refresh token. It holds the token alone, and is replaced whole: a crash leaves the old one."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser().resolve()  # of a link, what it leads to is replaced

    @contextmanager
    def taken(self, wait_seconds: float = 0) -> Iterator[Keeping]:
        """The token for one use, during which no other run uses it.

        That it can be replaced is known before it is used. Raises NotKept, and InUse after ``wait_seconds``.
        """
        from filelock import FileLock, Timeout  # takes a while to import, and few networks need it

        if not self._path.parent.is_dir():  # the lock would make the folders
            raise NotKept("refresh_token_path: there is no such folder; make it, or name another file")
        lock = FileLock(self._path.with_name(f".{self._path.name}.lock"), mode=0o600, thread_local=False)
        spare = self._path.with_name(f".{self._path.name}.new")
        try:
            with lock.acquire(timeout=wait_seconds):
                token = self._read()
                spare.unlink(missing_ok=True)  # a crash may have left it
                os.close(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                try:
                    yield Keeping(token, spare, self._path)
                finally:
                    spare.unlink(missing_ok=True)
        except Timeout:
            raise InUse from None
        except OSError as error:
            raise NotKept(_why(error)) from None

    def problem(self) -> str:
        """Why a token can't be kept there; empty: it can."""
        try:
            with self.taken():
                return ""
        except InUse:
            return ""
        except NotKept as why:
            return str(why)

    def put(self, token: str) -> str:
        """Keep this one; the one that was kept before, empty: none was. Raises NotKept and InUse."""
        with self.taken() as keeping:
            keeping.replace(token)
            return keeping.token

    def _read(self) -> str:
        """The token that is kept; empty where there is none yet."""
        try:
            with self._path.open("rb") as file:
                held = file.read(LONGEST + 1)
        except FileNotFoundError:
            return ""
        token = held.decode("ascii", "replace").strip()
        if len(held) > LONGEST or not token.isprintable() or not token.isascii() or len(token.split()) > 1:
            raise NotKept("refresh_token_path: the file holds something else than a token; name another one")
        return token


class Keeping:
    """A token while it is used."""

    def __init__(self, token: str, spare: Path, path: Path) -> None:
        self.token = token  # empty: none is kept yet
        self._spare = spare
        self._path = path

    def replace(self, token: str) -> None:
        """Keep another one from now on, readable by its owner alone. Raises NotKept."""
        try:
            with self._spare.open("w", encoding="ascii") as file:
                file.write(f"{token}\n")
                disk.keep(file)
            self._spare.replace(self._path)
            disk.keep_names(self._path.parent)
        except OSError as error:
            raise NotKept(_why(error)) from None


def _why(error: OSError) -> str:
    return f"refresh_token_path: can't be written ({error.strerror or type(error).__name__}); name a file that can"


def problems(accounts: Iterable[Account]) -> list[str]:
    """What keeps accounts from keeping their refresh tokens, before one of them signs in."""
    return [
        f"{account.label}.{problem}"
        for account in accounts
        if account.network and account.network.refresh_token_path
        if (problem := KeptToken(account.network.refresh_token_path).problem())
    ]

"""The command that Meltano starts: errors in one line, state alone on stdout, signals, the exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import IO, Any

import click
from singer_sdk import Target
from singer_sdk.exceptions import (
    ConfigValidationError,
    MapExpressionError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)

from target_adpostbacks.core.mistakes import located
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.ledger.place import VARIABLE
from target_adpostbacks.singer.configured import Configured, ConfiguredPlugin
from target_adpostbacks.singer.memory import give_back
from target_adpostbacks.singer.messages import UnreadableInput


class CommandTarget(ConfiguredPlugin, Target):
    """A target as a command: no error's text is shown, since it may hold values."""

    ledger_variables = (VARIABLE,)
    stdout: IO[str] | None = None
    """Where state goes. None: ``sys.stdout``."""
    signals: tuple[int, ...] = ()
    """Those that came, first to last."""
    failure: str | None = None
    """Why the input was not read to its end."""
    exit_code: int | None = None
    """Known when the run has closed its books, at the end of ``process_endofpipe``."""
    hurry_seconds: float = 10
    """From a second signal to the end, whatever is still waited for."""
    _owns_process = False  # as ``run`` does, which ends it

    @abstractmethod
    def stop(self) -> None:
        """End reading and waits; what is under way finishes. Called by a signal handler."""

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Configured | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target and exit with its code."""
        if about:
            cls.print_about(about_format)
            sys.exit(0)
        cls.print_version(print_fn=cls.logger.info)
        source = config or cls.configured({})
        cls.report(source.settings)
        try:
            stdout = _claim_stdout()
            target = cls(config=source.config)
        except ConfigValidationError as error:
            raise source.refused(error) from None  # the SDK's command logs each mistake and exits 1
        except (UnusableLedger, UnreadableInput) as error:
            cls.logger.error(str(error))
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - its text may hold a secret
            cls.logger.error("The run can't begin. %s", located(error))
            sys.exit(1)
        target.stdout = stdout
        target.run(file_input)

    def _setup_signal_handlers(self) -> None:
        """Install none before ``run``: until a line is read, a signal ends the process. The SDK would exit 0."""

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's command, with a help text that says what goes in and what comes out."""
        command = super().get_singer_command()
        command.help = (
            "Deliver conversions to ad networks. Reads Singer messages or plain JSON lines from standard input. "
            "Writes state to standard output, everything else to standard error. "
            "`adpostbacks log` shows what became of each conversion."
        )
        return command

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read everything, deliver it, and exit: 0 all is settled, 1 something is open or failed, 3, 128 + signal."""
        self._owns_process = True
        give_back()
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            self.listen(file_input)
        except (RecordsWithoutSchemaException, UnreadableInput, UnusableLedger) as error:
            self._end_early(str(error))
        except (StreamMapConfigError, MapExpressionError) as error:
            self._end_early(_map_mistake(self.config.get("stream_maps"), error))
        except Exception as error:  # noqa: BLE001 - its text may hold values
            self._end_early(located(error))
        code = self.exit_code if self.exit_code is not None else 1
        # Threads that still wait for an answer are not waited for.
        for stream in (self.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                if stream:
                    stream.flush()
        os._exit(code)

    def _end_early(self, why: str) -> None:
        self.failure = why
        if self.exit_code is None:
            try:
                self.process_endofpipe()
            except Exception as error:  # noqa: BLE001 - its text may hold values
                self.logger.error(located(error))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first ends the run as soon as what is under way has its answer; a second waits for no answer.

        Further ones do nothing: they may come in the middle of what the first one does.
        """
        self.signals += (number,)
        if len(self.signals) == 1:
            self.stop()
        elif len(self.signals) == 2 and self._owns_process:
            hurry = threading.Timer(self.hurry_seconds, os._exit, [128 + self.signals[0]])
            hurry.daemon = True
            hurry.start()


def _map_mistake(stream_maps: Any, error: StreamMapConfigError | MapExpressionError) -> str:
    """Where a stream map is wrong; the SDK's text repeats what stands there, which may hold a secret."""
    repeated = [(text, path) for text, path in _texts(stream_maps, "stream_maps") if text and text in str(error)]
    path = max(repeated, key=lambda each: len(each[0]))[1] if repeated else "stream_maps"
    if isinstance(error, MapExpressionError):
        return f"{path}: the expression can't be parsed"
    for of_the_sdk, rule in KEY_MISTAKES.items():
        if of_the_sdk in str(error):
            names = [name for name in stream_maps or () if f"'{name}'" in str(error)]
            return f"{'.'.join(['stream_maps', *names[:1]])}: {rule}"
    return f"{path}: not what the SDK documents"


KEY_MISTAKES = {
    "Invalid key properties": "a key property of the stream is not in its SCHEMA message: the tap has to send it"
    " there, or `__key_properties__` has to name other columns",
    "Removing key property": "a key property is removed: `__key_properties__` has to name other columns, or be null",
}
"""What the SDK says of a stream's key, to how it is told here."""


def _texts(settings: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(settings, str):
        yield settings, path
    elif isinstance(settings, dict):
        for name, member in settings.items():
            yield from _texts(member, f"{path}.{name}")


def _claim_stdout() -> IO[str]:
    """The real standard output, for state alone: Meltano takes every line there for state.

    Whatever else is printed, by any library, goes to standard error.
    """
    if sys.stdout is None:
        raise UnreadableInput("standard output is closed, so that no state can be written")
    sys.stdout.flush()
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stdout

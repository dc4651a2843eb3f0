"""What stands in ``option(…)``: where the config is, never the config. Spark keeps options in plans and event logs."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from target_adpostbacks.config import environment, files, schema

LOG = logging.getLogger("target_adpostbacks")
VARIABLES = "TARGET_ADPOSTBACKS_"
"""How the variables begin that go before the config, setting by setting."""
OF_SPARK = frozenset({"checkpointlocation", "queryname"})
"""Options that a stream has for Spark itself."""
PLACES = ("config", "config_variable", "secret_scope")
OF_BOTH = ("config", "config_variable", "secret_scope", "secret_key", "stream")
TO_WRITE = frozenset({*OF_BOTH, "key", "allow_open", "results"})
TO_READ = frozenset({*OF_BOTH, "after"})
WORDS = {"true": True, "false": False}


class InvalidOptions(ValueError):
    """An option of the data source is not as it should be. The message names options and repeats no value."""


@dataclass(frozen=True)
class Place:
    """Where the config is. ``read`` is called where the work is done, so that no secret leaves that machine.

    One of ``config`` (a file), ``config_variable`` (a variable that holds it as JSON) and ``secret_scope`` with
    ``secret_key`` (a secret of Databricks that does), or none: the variables of the environment go before all.
    """

    config: str = ""
    config_variable: str = ""
    secret_scope: str = ""
    secret_key: str = "adpostbacks"  # noqa: S105 - its name

    def read(self) -> dict[str, Any]:
        """The settings. Raises UnreadableConfig or InvalidOptions."""
        said: dict[str, Any] = {}
        if self.config:
            said = files.read([str(_added(Path(self.config)))])
        elif self.config_variable:
            text = os.environ.get(self.config_variable)
            if text is None:
                raise InvalidOptions(f"config_variable: there is no such variable {_here()}")
            said = _decoded("config_variable", text)
        elif self.secret_scope:
            said = _decoded("secret_scope", _secret(self.secret_scope, self.secret_key))
        settings = environment.settings(said, schema, VARIABLES, os.environ)
        for warning in settings.warnings:
            LOG.warning(warning)
        if not settings.config:
            raise InvalidOptions(
                "config: no option says where the config is, and no variable that begins with"
                f" {VARIABLES} is set {_here()}. Give option('config', PATH), config_variable or secret_scope"
            )
        return settings.config


def checked(options: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """The options by name, without Spark's own. Raises InvalidOptions."""
    said = {name.lower(): value for name, value in options.items() if name.lower() not in OF_SPARK}
    known = sorted(known)
    for name in said:
        if name not in known:
            raise InvalidOptions(_unknown(name, known))
    places = [name for name in PLACES if said.get(name)]
    if len(places) > 1:
        raise InvalidOptions(f"{' and '.join(places)}: only one of them says where the config is")
    path = said.get("config", "").strip()
    if path.startswith(("{", "[")) or "://" in path or "\n" in path:
        raise InvalidOptions(
            "config: the path of a JSON file, as executors open it, expected. Options are kept in plans and event logs;"
            " a config or an address with secrets does not belong there"
        )
    return said


def _unknown(name: str, known: list[str]) -> str:
    if name == "path":
        return "path: nothing is saved or loaded under a path; call save(), start() and load() without one"
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
    return (
        f"{name}: no such option; {hint} Settings of networks and the ledger belong into the config, secrets above all:"
        " options are kept in plans and event logs"
    )


def place_of(said: Mapping[str, str]) -> Place:
    """Where the checked options say that the config is."""
    return Place(**{name: said[name] for name in (*PLACES, "secret_key") if said.get(name)})


def truth(said: Mapping[str, str], name: str) -> bool:
    """An option that is true or false; false if it is not there. Raises InvalidOptions."""
    try:
        return WORDS[said.get(name, "false").strip().lower()]
    except KeyError:
        raise InvalidOptions(f"{name}: true or false expected") from None


def _added(path: Path) -> Path:
    """A relative path is that of a file that was added to the job (``addFile``, ``--files``)."""
    if path.is_absolute():
        return path
    from pyspark import SparkFiles, TaskContext

    return Path(SparkFiles.get(str(path))) if TaskContext.get() else path


def _secret(scope: str, key: str) -> str:
    try:
        from databricks.sdk.runtime import dbutils
    except ImportError:
        raise InvalidOptions(f"secret_scope: Databricks' utilities are not installed {_here()}") from None
    return str(dbutils.secrets.get(scope=scope, key=key))


def _decoded(option: str, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
        if isinstance(config, dict):
            return files.without_comments(config)
    except (ValueError, RecursionError):
        pass
    raise InvalidOptions(f"{option}: what it names holds no JSON object {_here()}")


def _here() -> str:
    return f"on {os.uname().nodename}"

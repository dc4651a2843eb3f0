"""What is relied on inside singer-sdk: where it changed, read the code that is named beside the SDK's changes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from singer_sdk import Target
from singer_sdk.mapper import SameRecordTransform, StreamMap
from singer_sdk.plugin_base import PluginBase
from singer_sdk.sinks import Sink

from target_adpostbacks.singer.command import CommandTarget
from target_adpostbacks.singer.target import TargetAdpostbacks

WATCHED: dict[Callable[..., Any], tuple[str, str]] = {
    Target._process_record_message: ("08aaf4096e2d", "target.py overrides it"),
    Target._process_state_message: ("e27158e2b1e7", "target.py overrides it"),
    Target._process_batch_message: ("f26fbe519745", "target.py overrides it"),
    Target._process_schema_message: ("ed6e8449bc8f", "it registers the stream maps that target.py looks up"),
    Target.drain_all: ("1da0109210d3", "it writes no state while _latest_state is unset"),
    SameRecordTransform.transform: ("db46d82cacfd", "target.py takes a stream without maps past it"),
    StreamMap.transform: ("3d21910fbf85", "target.py gives it a copy of each record"),
    PluginBase._validate_config: ("0584b9e347e3", "target.py overrides it; the constructor calls it"),
    PluginBase._setup_signal_handlers: ("eb4287001bdd", "command.py overrides it"),
}
"""A function of the SDK to the fingerprint of its source, and what of ours depends on it."""


def fingerprint(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


@pytest.mark.slow
def test_the_sdk_still_does_what_the_target_replaces_or_relies_on() -> None:
    changed = [
        f"{function.__qualname__} is now {fingerprint(function)}: {why}"
        for function, (known, why) in WATCHED.items()
        if fingerprint(function) != known
    ]
    assert not changed, "compare the SDK's new source with ours, then update WATCHED:\n" + "\n".join(changed)


def test_these_private_methods_of_the_sdk_are_overridden_and_no_others() -> None:
    ours = (TargetAdpostbacks, CommandTarget)
    mine = {name for base in ours for name in vars(base) if name.startswith("_") and not name.startswith("__")}
    theirs = {name for base in TargetAdpostbacks.__mro__ if base not in ours for name in vars(base)}
    assert mine & theirs - {"_abc_impl"} == {
        "_process_record_message",
        "_process_state_message",
        "_process_batch_message",
        "_setup_signal_handlers",
        "_validate_config",
    }


def test_a_plain_sink_still_gives_an_empty_context_to_log() -> None:
    assert "return {}" in inspect.getsource(Sink._get_context)

"""What is relied on inside singer-sdk: when one of these fails, read target.py beside the SDK's changes."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import pytest
from singer_sdk import Target
from singer_sdk.mapper import SameRecordTransform, StreamMap
from singer_sdk.plugin_base import PluginBase
from singer_sdk.sinks import Sink

from target_adpostbacks.singer.command import CommandTarget
from target_adpostbacks.singer.target import TargetAdpostbacks

OVERRIDDEN = {
    Target._process_record_message: "08aaf4096e2d",
    Target._process_state_message: "e27158e2b1e7",
    Target._process_batch_message: "f26fbe519745",
    Target._process_schema_message: "ed6e8449bc8f",  # registers the stream maps that ours looks up
    Target.drain_all: "1da0109210d3",  # writes no state while _latest_state is unset
    SameRecordTransform.transform: "db46d82cacfd",
    StreamMap.transform: "3d21910fbf85",
    PluginBase._validate_config: "0584b9e347e3",  # called by the constructor
    PluginBase._setup_signal_handlers: "eb4287001bdd",
}


def fingerprint(function: Any) -> str:
    """Changes with the function's code, not with its comments' place."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


@pytest.mark.parametrize("function", OVERRIDDEN, ids=lambda function: function.__qualname__)
def test_the_sdk_still_does_what_target_py_replaces_or_relies_on(function: Any) -> None:
    assert fingerprint(function) == OVERRIDDEN[function], "it changed: compare it with target.py, then update this"


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

"""Who watches a run: OpenTelemetry, where the OTEL_* variables or the program around it say so; else nobody."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from target_adpostbacks.delivery.observing import NOBODY, Observer

SIGNALS = ("traces", "metrics")
LOADED = "opentelemetry.sdk"
"""What a program has imported that exports spans and metrics by itself."""
MISSING = "is set, but OpenTelemetry is not installed: nothing is exported. pip install 'target-adpostbacks[otel]'"


def observer(run_id: str, environ: Mapping[str, str], log: logging.Logger) -> Observer:
    """Who watches the run. Whatever is wrong with the variables is a warning."""
    wanted = {signal: variable for signal in SIGNALS if (variable := exported_by(signal, environ))}
    if (not wanted and LOADED not in sys.modules) or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return NOBODY
    try:
        from target_adpostbacks.run.exporting import telemetry
    except ImportError:
        log.warning("%s %s", next(iter(wanted.values()), "OTEL_*"), MISSING)
        return NOBODY
    try:
        return telemetry(run_id, wanted, environ, log) or NOBODY
    except Exception as error:  # noqa: BLE001 - no reason not to run, and its text may hold a token
        log.warning("OpenTelemetry: nothing is exported, for an OTEL_* variable is wrong (%s).", type(error).__name__)
        return NOBODY


def exported_by(signal: str, environ: Mapping[str, str]) -> str:
    """The variable that says where a signal goes; empty: nobody wants it."""
    exporter = f"OTEL_{signal.upper()}_EXPORTER"
    if environ.get(exporter, "").strip().lower() == "none":
        return ""
    variables = (exporter, f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((variable for variable in variables if environ.get(variable, "").strip()), "")

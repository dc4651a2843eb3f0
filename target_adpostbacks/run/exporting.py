"""Exports spans and metrics as the OTEL_* variables say, or through what the program around the run has set up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points, version
from typing import Any

from opentelemetry import context, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from target_adpostbacks.run.telemetry import Telemetry

SCOPE = "target_adpostbacks"
SERVICE = "target-adpostbacks"
"""``service.name``, unless the environment has another."""
PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""Of OTLP, to the name that its exporters have."""
TIMEOUTS = ("OTEL_BSP_EXPORT_TIMEOUT", "OTEL_METRIC_EXPORT_TIMEOUT")
"""Milliseconds for handing over what is left at the end."""
INCOMPLETE = "not everything was exported: the collector can't be reached, or refuses it"


class UnknownExporter(ValueError):
    """An exporter that is not installed; the message names the variable alone."""


class Complaints(logging.Handler):
    """Hears what OpenTelemetry logs, whose texts hold URLs and answers, and remembers whether something was lost."""

    def __init__(self) -> None:
        super().__init__()
        self.are_some = False

    def emit(self, record: logging.LogRecord) -> None:
        self.are_some |= record.levelno >= logging.ERROR or "ropping" in str(record.msg)


class Providers:
    """Those of one run, which it ends itself."""

    def __init__(self, wanted: Iterable[str], environ: Mapping[str, str]) -> None:
        self.tracers: trace.TracerProvider = trace.NoOpTracerProvider()
        self.meters: metrics.MeterProvider = metrics.NoOpMeterProvider()
        self._ends: list[Callable[[], object]] = []
        self._complaints = Complaints()
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self._complaints)
        try:
            self._set_up({signal: _exporters(signal, environ) for signal in wanted}, _resource(environ))
        except BaseException:
            self._hear_no_more()
            raise

    def _set_up(self, exporters: Mapping[str, Sequence[Callable[[], Any]]], resource: Resource) -> None:
        if kinds := exporters.get("traces"):
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            for kind in kinds:
                tracers.add_span_processor(BatchSpanProcessor(kind()))
            self.tracers = tracers
            self._ends.append(tracers.shutdown)
        if kinds := exporters.get("metrics"):
            meters = MeterProvider([*map(_reader, kinds)], resource, shutdown_on_exit=False)
            self.meters = meters
            self._ends.append(meters.shutdown)

    def end(self) -> str:
        """Hand over what is left; what went wrong."""
        threads = [threading.Thread(target=end, daemon=True) for end in self._ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._hear_no_more()
        return INCOMPLETE if self._complaints.are_some else ""

    def _hear_no_more(self) -> None:
        self._logger.removeHandler(self._complaints)
        self._logger.propagate = self._propagated


def telemetry(
    run_id: str, wanted: Mapping[str, str], environ: Mapping[str, str], log: logging.Logger
) -> Telemetry | None:
    """What watches the run; None: nobody wants to know. ``wanted``: each signal to the variable that asks for it.

    What the program around the run has set up goes before the variables, and stays as it is.
    """
    outer_tracers, outer_meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    has_tracers, has_meters = isinstance(outer_tracers, TracerProvider), isinstance(outer_meters, MeterProvider)
    own = [signal for signal in wanted if not (has_tracers if signal == "traces" else has_meters)]
    if not (own or has_tracers or has_meters):
        return None
    most_seconds = max(float(environ.get(variable, "").strip() or 30_000) for variable in TIMEOUTS) / 1000
    try:
        providers = Providers(own, environ)
    except UnknownExporter as error:
        log.warning("OpenTelemetry: nothing is exported. %s", error)
        return None
    number = version("target-adpostbacks")
    return Telemetry(
        run_id,
        (outer_tracers if has_tracers else providers.tracers).get_tracer(SCOPE, number),
        (outer_meters if has_meters else providers.meters).get_meter(SCOPE, number),
        _parent(environ),
        providers.end,
        most_seconds,
    )


def _exporters(signal: str, environ: Mapping[str, str]) -> list[Callable[[], Any]]:
    """The kinds that OTEL_TRACES_EXPORTER or its like names; by default OTLP."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    names = environ.get(variable, "").strip() or "otlp"
    kinds = []
    for name in map(str.strip, names.split(",")):
        entry, said_by = name, variable
        if name == "otlp":
            protocols = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            said_by = next((each for each in protocols if environ.get(each, "").strip()), variable)
            entry = PROTOCOLS.get(environ.get(said_by, "").strip() if said_by != variable else "http/protobuf", "")
        found = [*entry_points(group=f"opentelemetry_{signal}_exporter", name=entry)] if entry else []
        if not found:
            raise UnknownExporter(f"{said_by} names an exporter that is not installed")
        kinds.append(found[0].load())
    return kinds


def _reader(kind: Any) -> MetricReader:
    made = kind()
    return made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made)


def _resource(environ: Mapping[str, str]) -> Resource:
    """What the environment says, and our name where it says none."""
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {} if named else {"service.name": SERVICE, "service.version": version("target-adpostbacks")}
    return Resource.create(own)


def _parent(environ: Mapping[str, str]) -> context.Context:
    """The span around the run: that of the thread, else that of TRACEPARENT."""
    if trace.get_current_span().get_span_context().is_valid:
        return context.get_current()
    carrier = {name: environ.get(name.upper(), "") for name in ("traceparent", "tracestate")}
    return TraceContextTextMapPropagator().extract({name: value for name, value in carrier.items() if value})

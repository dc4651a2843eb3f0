"""OpenTelemetry: spans of requests and counts of conversions, without values, by the OTEL_* variables alone."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from canaries import PERSONAL, canaries_in
from conftest import SETTINGS, fresh
from local_server import Answer, LocalServer, Received, local_server
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from run_target import Target, a_purchase, record, schema

from target_adpostbacks import deliver
from target_adpostbacks.delivery.observing import NOBODY
from target_adpostbacks.run import observers
from target_adpostbacks.run.telemetry import METRICS, RUN, SPANS
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOKEN = "canary-otlp-token"


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    return {
        **{name: {**SETTINGS[name], "base_url": sandbox.url, "max_attempts": 2} for name in ("tiktok", "reddit")},
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
    }


class Memory:
    """What the SDK's exporters in memory have of one run."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return [*self.exporter.get_finished_spans()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The attributes of each request's span."""
        return [dict(span.attributes or {}) for span in self.spans if span.name != RUN]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        made = [
            metric
            for each in (data.resource_metrics if data else ())
            for scope in each.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in made if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The program around the run has set up OpenTelemetry."""
    made = Memory()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made.tracers)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: made.meters)
    return made


REDDIT = {"network": "reddit", "ttclid": None, "rdt_cid": "1"}


def test_a_run_that_has_handed_over_everything_says_nothing_of_it(
    config: dict[str, Any], memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    deliver([fresh(1)], config)
    assert memory.spans
    assert [message for message in caplog.messages if message.startswith("OpenTelemetry")] == []


def test_each_request_is_a_span_within_that_of_the_run(
    config: dict[str, Any], sandbox: Sandbox, memory: Memory
) -> None:
    sandbox.faults = [{"network": "tiktok", "status": 503, "times": 1}]
    deliver([fresh(1), fresh(2), fresh(3, **REDDIT)], config)
    (run,) = (span for span in memory.spans if span.name == RUN)
    requests = [span for span in memory.spans if span is not run]
    assert {span.parent and span.parent.span_id for span in requests} == {run.context.span_id}
    assert run.attributes
    assert run.attributes["adpostbacks.exit_code"] == 0
    first, second = (each for each in memory.requests if each["adpostbacks.network"] == "tiktok")
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    both = {
        "http.request.method": "POST",
        "server.address": host,
        "server.port": int(port),
        "url.template": "/open_api/v1.3/event/track/",
        "adpostbacks.network": "tiktok",
        "adpostbacks.account": "tiktok.default",
        "adpostbacks.events": 2,
    }
    assert first == {
        **both,
        "http.response.status_code": 503,
        "error.type": "503",
        "adpostbacks.verdict": "transient",
    }
    assert second == {
        **both,
        "http.response.status_code": 200,
        "adpostbacks.verdict": "accepted",
        "http.request.resend_count": 1,
    }
    span = requests[0]
    assert span.name.startswith("POST /")
    assert span.kind is trace.SpanKind.CLIENT
    times = (run.start_time, span.start_time, span.end_time, run.end_time)
    assert [*times] == sorted(time or 0 for time in times)


def test_conversions_are_counted_by_what_became_of_them_and_none_waits_at_the_end(
    config: dict[str, Any], sandbox: Sandbox, memory: Memory
) -> None:
    sandbox.faults = [{"network": "reddit", "status": 503}]
    records = [fresh(1), fresh(2), fresh(2), fresh(3, **REDDIT), fresh(4, network="organic"), {"event_name": "x"}]
    tally = deliver(records, config)
    deliver([fresh(1)], config)
    ended = {
        (each["adpostbacks.account"], each["adpostbacks.status"], each.get("adpostbacks.reason")): point.value
        for point in memory.points("adpostbacks.conversions")
        if (each := point.attributes)
    }
    assert ended == {
        ("tiktok.default", "accepted", None): 2,
        ("tiktok.default", "already_accepted", None): 2,
        ("reddit.default", "open", "transient"): 1,
        ("", "skipped", "organic"): 1,
        ("", "skipped", "invalid"): 1,
    }
    assert sum(ended.values()) == tally.outcomes + 1
    waiting = memory.points("adpostbacks.queue")
    assert {point.attributes["adpostbacks.account"] for point in waiting} == {"tiktok.default", "reddit.default"}
    assert {point.value for point in waiting} == {0}


def test_a_conversion_waits_from_the_hand_over_to_its_verdict(
    config: dict[str, Any], sandbox: Sandbox, memory: Memory
) -> None:
    sandbox.faults = [{"network": "tiktok", "hold": True}]
    config["tiktok"] |= {"request_timeout_seconds": 2, "max_attempts": 1}
    run = threading.Thread(target=deliver, args=([fresh(1), fresh(2)], config))
    run.start()
    while not [point for point in memory.points("adpostbacks.queue") if point.value == 2]:
        assert run.is_alive()
        time.sleep(0.02)
    run.join()
    (request,) = memory.requests
    assert (request["error.type"], request["adpostbacks.verdict"]) == ("timeout", "no_answer")
    assert "http.response.status_code" not in request
    assert [point.value for point in memory.points("adpostbacks.queue")] == [0]


def test_latency_is_a_histogram_in_seconds(config: dict[str, Any], sandbox: Sandbox, memory: Memory) -> None:
    sandbox.faults = [{"network": "tiktok", "delay_seconds": 0.3}]
    deliver([fresh(1)], config)
    (point,) = memory.points("http.client.request.duration")
    assert point.count == 1
    assert 0.3 <= point.sum < 5
    assert point.explicit_bounds[0] == 0.005
    assert point.attributes["adpostbacks.account"] == "tiktok.default"


def test_a_refusal_with_status_200_is_an_error_and_an_answer_that_takes_a_part_is_mixed(
    config: dict[str, Any], sandbox: Sandbox, memory: Memory
) -> None:
    sandbox.faults = [{"network": "tiktok", "error": "invalid_token"}, {"network": "reddit", "refuse_event": 0}]
    deliver([fresh(1)], config)
    (request,) = memory.requests
    assert (request["http.response.status_code"], request["error.type"]) == (200, "credentials")
    assert request["adpostbacks.code"] == "40105"


def test_signing_in_is_a_span_of_the_account_without_conversions(
    memory: Memory, sandbox: Sandbox, tmp_path: Path
) -> None:
    google = {**SETTINGS["google_ads"], "base_url": sandbox.url}
    config = {"google_ads": google, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    deliver([fresh(1, network="google_ads", ttclid=None, gclid="abc", value=1, currency="EUR")], config)
    sign_in, sent = memory.requests
    assert "adpostbacks.events" not in sign_in
    assert sign_in["adpostbacks.account"] == "google_ads.default"
    assert "token" in sign_in["url.template"]
    assert sent["adpostbacks.events"] == 1


def test_what_is_exported_is_what_the_page_says(config: dict[str, Any], sandbox: Sandbox, memory: Memory) -> None:
    sandbox.faults = [{"network": "tiktok", "status": 503, "times": 1}, {"network": "tiktok", "error": "invalid_token"}]
    deliver([fresh(1), fresh(2, **REDDIT), {"event_name": "x"}], config)
    (run, request) = SPANS.values()
    seen = {name for each in memory.requests for name in each}
    assert seen == {attribute.name for attribute in request}
    assert {*next(span.attributes or {} for span in memory.spans if span.name == RUN)} == {each.name for each in run}
    for name, metric in METRICS.items():
        points = memory.points(name)
        assert {key for point in points for key in point.attributes} == {each.name for each in metric.attributes}


def test_no_value_of_a_record_and_no_secret_is_in_it(tmp_path: Path, memory: Memory) -> None:
    def echo(request: Received) -> Answer:
        said = f"{json.dumps(request.body)} {request.path} {request.headers}"
        return Answer(400, {"code": 40002, "message": said, "error": {"message": said, "reason": said}})

    template = "/p/{click_id}/{event_id}/{email|sha256}?tok={secret}&ip={ip_address}"
    with local_server() as server:
        server.answer = echo
        partner = {
            "url": f"https://tracker.example{template}",
            "secrets": {"secret": "canary-secret"},
            "base_url": server.url,
            "method": "GET",
        }
        sections = {"tiktok": {**SETTINGS["tiktok"], "base_url": server.url, "access_token": "canary-token"}}
        config = {**sections, "generic": {"accounts": {"mine": partner}}, "ledger_url": f"sqlite:///{tmp_path}/l.db"}
        person = {**PERSONAL, "event_id": "canary-event-id", "value": 1, "currency": "EUR"}
        deliver([fresh(1, **person), fresh(2, **{**person, "network": "mine", "ttclid": None})], config)
        assert any("anary" in request.path for request in server.received)
    (postback,) = (each for each in memory.requests if each["adpostbacks.network"] == "generic")
    assert postback["url.template"] == "/p/{click_id}/{event_id}/{email|sha256}"
    told = "\n".join(span.to_json() for span in memory.spans) + str(memory.reader.get_metrics_data())
    assert canaries_in(told.lower()) == []


def test_a_run_belongs_to_the_span_around_it(config: dict[str, Any], sandbox: Sandbox, memory: Memory) -> None:
    with memory.tracers.get_tracer("dag").start_as_current_span("task") as task:
        deliver([fresh(1)], config)
    (run,) = (span for span in memory.spans if span.name == RUN)
    assert run.parent
    assert run.parent.span_id == task.get_span_context().span_id


# By the variables alone, in a process of its own.


class Collector:
    """An OTLP receiver: the bodies, decoded."""

    def __init__(self, server: LocalServer) -> None:
        self.url = server.url
        self.headers: list[Mapping[str, str]] = []
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.services: set[str] = set()
        server.answer = self._take

    def _take(self, request: Received) -> Answer:
        self.headers.append(request.headers)
        if request.path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(request.raw)
            for each in traces.resource_spans:
                self._name(each.resource)
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        else:
            assert request.path == "/v1/metrics"
            for each in ExportMetricsServiceRequest.FromString(request.raw).resource_metrics:
                self._name(each.resource)
                self.metrics += [metric for scope in each.scope_metrics for metric in scope.metrics]
        return Answer(200, b"", {"Content-Type": "application/x-protobuf"})

    def _name(self, resource: Any) -> None:
        self.services |= {each.value.string_value for each in resource.attributes if each.key == "service.name"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with local_server() as server:
        yield Collector(server)


@pytest.fixture
def target(sandbox: Sandbox, tmp_path: Path) -> Target:
    return Target(tmp_path, sandbox.url)


LINES = [schema(), record(**a_purchase(1)), record(**a_purchase(2, network="reddit", rdt_cid="1"))]


@pytest.mark.slow
def test_the_variables_send_a_run_to_a_collector(target: Target, collector: Collector) -> None:
    ran = target.run(
        LINES,
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={TOKEN}",
            "TRACEPARENT": f"00-{TRACE}-{PARENT}-01",
            "LOGLEVEL": "DEBUG",
        },
    )
    assert ran.code == 0, ran.stderr
    assert "OpenTelemetry:" not in ran.stderr
    assert TOKEN not in ran.stderr
    assert {headers["authorization"] for headers in collector.headers} == {TOKEN}
    assert collector.services == {"target-adpostbacks"}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    (run,) = (span for span in collector.spans if span.name == RUN)
    assert run.parent_span_id.hex() == PARENT
    assert min(span.name for span in collector.spans if span is not run).startswith("POST /")
    assert {metric.name for metric in collector.metrics} == {*METRICS}
    points = [p for m in collector.metrics if m.name == "adpostbacks.conversions" for p in m.sum.data_points]
    assert sum(point.as_int for point in points) == 2


@pytest.mark.slow
def test_the_pages_commands_export_a_run(target: Target, collector: Collector) -> None:
    page = (Path(__file__).parent.parent / "docs" / "opentelemetry.md").read_text()
    (block,) = re.findall(r"```console\n(.*?)\n```", page, re.DOTALL)
    (target.folder / "config.json").write_text(json.dumps(target.config))
    (target.folder / "conversions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    script = re.sub(r"^\$ (pip install .*)?", "", block, flags=re.MULTILINE)
    script = f"PATH={Path(sys.executable).parent}:$PATH\n" + script.replace("http://127.0.0.1:4318", collector.url)
    ran = subprocess.run(["bash", "-ec", script], cwd=target.folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(collector.spans) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "has_spans", "has_metrics"),
    [
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_TRACES_EXPORTER": "none"}, False, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine", "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({"OTEL_SDK_DISABLED": "true"}, False, False),
        ({"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SERVICE_NAME": "mine"}, False, True),
    ],
)
def test_the_variables_decide_what_is_exported(
    target: Target, collector: Collector, variables: dict[str, str], has_spans: bool, has_metrics: bool
) -> None:
    ran = target.run(LINES, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **variables})
    assert (ran.code, "OpenTelemetry" in ran.stderr) == (0, False)
    assert (bool(collector.spans), bool(collector.metrics)) == (has_spans, has_metrics)
    assert collector.services == ({"mine"} if has_spans or has_metrics else set())


@pytest.mark.slow
def test_the_console_exporter_keeps_off_standard_output(target: Target) -> None:
    ran = target.run(LINES, env={"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"})
    assert (ran.code, ran.stdout) == (0, "")
    assert '"name": "adpostbacks run"' in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nowhere", "refuses", "hangs"])
def test_a_dead_collector_costs_a_warning_and_little_time(target: Target, kind: str) -> None:
    with local_server() as server:
        server.answer = lambda request: Answer(
            401 if kind == "refuses" else 200, f"canary {TOKEN}".encode(), delay_seconds=30 if kind == "hangs" else 0
        )
        url = "http://127.0.0.1:9" if kind == "nowhere" else server.url
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{url}/{TOKEN}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={TOKEN}",
            "OTEL_BSP_EXPORT_TIMEOUT": "2000",
            "OTEL_METRIC_EXPORT_TIMEOUT": "2000",
        }
        ran = target.run(LINES, env=env)
    assert ran.code == 0
    (seconds,) = re.findall(r"Done in ([\d.]+) s", ran.stderr)
    assert float(seconds) < 9  # the exporter itself would go on for ten
    warnings = [line for line in ran.stderr.splitlines() if "OpenTelemetry" in line or "opentelemetry" in line]
    assert len(warnings) == 1
    assert "| WARNING " in warnings[0]
    assert TOKEN not in ran.stderr
    assert ran.summary.startswith("read 2, accepted 2")


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "canary"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "canary"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRIC_EXPORT_TIMEOUT": "canary"},
    ],
)
def test_a_wrong_variable_is_a_warning_without_its_value(
    variables: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)  # the SDK reads them itself
    watching = observers.observer("run-1", variables, logging.getLogger("test"))
    assert watching is NOBODY
    assert caplog.text.count("OpenTelemetry: nothing is exported") == 1
    assert "canary" not in caplog.text.replace("canary'", "")


@pytest.mark.parametrize(
    ("variables", "traces", "counts"),
    [
        ({}, "", ""),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_RESOURCE_ATTRIBUTES": "a=b"}, "", ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, "", ""),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "OTEL_TRACES_EXPORTER", ""),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, "", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_METRICS_EXPORTER": "None"},
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "",
        ),
    ],
)
def test_a_signal_is_exported_where_a_variable_says_where_to(
    variables: dict[str, str], traces: str, counts: str
) -> None:
    assert observers.exported_by("traces", variables) == traces
    assert observers.exported_by("metrics", variables) == counts


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER"])
def test_without_the_extra_a_warning_says_how_to_install_it(target: Target, variable: str) -> None:
    (target.folder / "opentelemetry").mkdir()
    (target.folder / "opentelemetry" / "__init__.py").write_text("raise ImportError")
    env = {variable: "http://127.0.0.1:9", "PYTHONPATH": str(target.folder)}
    ran = target.run(LINES, env=env)
    assert ran.code == 0
    assert ran.stderr.count(f"{variable} is set, but OpenTelemetry is not installed") == 1
    assert "pip install 'target-adpostbacks[otel]'" in ran.stderr


@pytest.mark.slow
def test_no_variable_no_import(target: Target, sandbox: Sandbox) -> None:
    target.run(LINES)  # it writes the config
    program = f"""
import sys, json
from target_adpostbacks import deliver
deliver([json.loads({json.dumps(json.dumps(fresh(9)))})], "config.json")
assert "target_adpostbacks.delivery.exchange" in sys.modules
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=target.folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr

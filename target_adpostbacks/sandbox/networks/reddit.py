"""Reddit, Conversions API v3: ``pixels/{pixel_id}/conversion_events``."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = re.compile(r"/api/v3/pixels/([^/]+)/conversion_events\Z")
PIXEL = re.compile(r"(a2|t2)_[A-Za-z0-9]+\Z")
SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
GENERIC_AGENT = re.compile(r"(python|aiohttp|httpx|java\b|okhttp|go-http)|\Z", re.IGNORECASE)
MAX_AGE, MAX_AHEAD = timedelta(hours=168), timedelta(minutes=5)
COUNTED = {"PURCHASE", "ADD_TO_CART", "ADD_TO_WISHLIST", "CUSTOM"}
VALUED = COUNTED | {"LEAD", "SIGN_UP"}
TOO_OLD = "event_at timestamp must be less than 168h0m0s old"


def v3(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"error": {"code": status, "message": message}}
    return Answer(status=status, body=body, headers=headers or {}, code=str(status))


def text(status: int, body: str | None, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=body, headers=headers or {}, code=str(status))


UNAUTHORIZED = {
    "success": False,
    "error": {
        "reason": "UNAUTHORIZED",
        "explanation": "This server could not verify that you are authorized to access the document you requested.",
    },
}
V2_INVALID = {
    "message": "There were 1 invalid conversion events. None were processed.",
    "invalid_events": [{"error_message": TOO_OLD, "event": {}}],
}
ERRORS = {
    "bad_request": v3(400, "missing action_source"),
    "unknown_field": v3(400, 'JSON error "unknown field" on field "test_id"'),
    "invalid_value": v3(400, "invalid action_source"),
    "v2_invalid_events": Answer(status=400, body=V2_INVALID, code="400"),
    "bad_request_text": text(400, "Bad Request"),
    "unauthorized": Answer(status=401, body=UNAUTHORIZED, code="401"),
    "authorization_required": text(401, "Authorization Required"),
    "forbidden": v3(403, "forbidden"),
    "not_found": v3(404, "pixel not found"),
    "method_not_allowed": text(405, None, {"Allow": "POST"}),
    "timeout": text(408, None),
    "gone": text(410, "Gone"),
    "too_large": text(413, None),
    "unprocessable": v3(422, "unprocessable"),
    "rate_limited": v3(429, "rate limit exceeded"),
    "rate_limited_text": text(429, "Too Many Requests"),
    "rate_limited_header": text(429, None, {"RateLimit": '"default";r=0;t=42'}),
    "internal_error": v3(500, "internal error"),
    "bad_gateway": text(502, "<html>Bad Gateway</html>"),
    "unavailable": text(503, None),
    "gateway_timeout": text(504, "upstream request timeout"),
}


class Reddit(SandboxNetwork):
    name = "reddit"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(days=2)
    paths = ("/api/v3/pixels/{pixel_id}/conversion_events",)
    refusal = "HTTP 400 with `error.message`. It names no event, like nearly every answer of Reddit that is known."
    stricter = (
        "Match keys that are not hashed, events without a match key, `value`, `currency` or `item_count` on "
        "events that do not take them, and `event_source_url` outside the web. A generic `User-Agent` "
        "(`python-requests/…`) is throttled."
    )
    deduplication = (
        "The same pixel, type, source and `conversion_id` (raw or hashed) within 48 hours are one event. The "
        "copy with more fields wins."
    )

    def owns(self, path: str) -> bool:
        return path.startswith("/api/v")

    def receive(self, call: Call) -> Batch:
        if call.path.startswith("/api/v2"):
            raise Refused(ERRORS["gone"])
        pixel = PATH.match(call.path)
        if pixel is None:
            raise Refused(text(404, "Not Found"))
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        if GENERIC_AGENT.match(call.headers.get("user-agent", "")):
            raise Refused(ERRORS["rate_limited_text"])
        self.admit(call, pixel[1])
        data = self.checked(call)["data"]
        return Batch(asset=pixel[1], test="test_id" in data, events=[read(event) for event in data["events"]])

    def admit(self, call: Call, pixel: str) -> None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused(ERRORS["authorization_required"])
        if call.access.expired(token) or not call.access.good(token):
            raise Refused(ERRORS["unauthorized"])
        if not PIXEL.match(pixel) or not call.access.exists(pixel):
            raise Refused(ERRORS["not_found"])
        if not call.access.may(token, pixel):
            raise Refused(ERRORS["forbidden"])

    def checked(self, call: Call) -> Any:
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(v3(400, "JSON error"))
        wrong = first_problem(validator(SCHEMAS, "conversion_events"), call.body, ("data", "events"))
        if wrong is not None and wrong.index is None:
            raise Refused(self.refused(call, wrong))
        events = call.body["data"]["events"]
        for index, event in enumerate(events if wrong is None else events[: wrong.index]):
            for problem in event_problems(event, call):
                raise Refused(self.refused(call, replace(problem, index=index)))
        if wrong is not None:
            raise Refused(self.refused(call, wrong))
        return call.body

    def accepted(self, call: Call, count: int) -> Answer:
        return Answer(body={"data": {"message": f"Successfully processed {count} conversion events."}})

    def refused(self, call: Call, problem: Problem) -> Answer:
        """Names no event unless a fault says ``"silent": false``: most bodies that were seen have no ``fields``."""
        answer = v3(400, message_for(problem, call))
        if call.silent is not False or problem.index is None:
            return answer
        field = f"data.events[{problem.index}].{problem.field}"
        answer.body["error"]["fields"] = [{"field": field, "message": answer.body["error"]["message"]}]
        answer.body["error"]["message"] = "invalid request"
        return answer

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("metadata", {}).get("conversion_id")) for event in body["data"]["events"]]


def message_for(problem: Problem, call: Call) -> str:
    last = problem.field.rpartition(".")[2]
    if problem.kind == "unknown":
        return f'JSON error "unknown field" on field "{last}"'
    if problem.kind == "missing":
        return f"missing {last}"
    if problem.kind == "sentence":
        return problem.rule
    return f"invalid {problem.field}: {problem.value if call.echo else problem.rule}"


def event_problems(event: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    age = call.now.timestamp() - event["event_at"] / 1000
    if age >= MAX_AGE.total_seconds():
        yield Problem("event_at", TOO_OLD, kind="sentence")
    if age < -MAX_AHEAD.total_seconds():
        yield Problem("event_at", "event_at timestamp must not be in the future", kind="sentence")
    web = event["action_source"] == "WEBSITE"
    if "event_source_url" in event and not web:
        yield Problem("event_source_url", "event_source_url is for WEBSITE events only", kind="sentence")
    kind, metadata, user = event["type"], event.get("metadata", {}), event.get("user", {})
    custom = kind["tracking_type"] == "CUSTOM"
    if custom and "custom_event_name" not in kind:
        yield Problem("type.custom_event_name", "", kind="missing")
    if not custom and "custom_event_name" in kind:
        yield Problem("type.custom_event_name", "for CUSTOM events only")
    for field, types in (("value", VALUED), ("currency", VALUED), ("item_count", COUNTED)):
        if field in metadata and kind["tracking_type"] not in types:
            yield Problem(f"metadata.{field}", "not a field of this event")
    if {"idfa", "aaid"} <= user.keys():
        yield Problem("user.aaid", "idfa and aaid exclude each other")
    keys = {"email", "phone_number", "external_id", "idfa", "aaid", "uuid", "ip_address"}
    if not (keys & user.keys() or "click_id" in event or (web and click_in(event.get("event_source_url", "")))):
        yield Problem("user", "no match key", kind="sentence")


def click_in(url: str) -> bool:
    return bool(parse_qs(urlsplit(url).query).get("rdt_cid"))


def read(event: Mapping[str, Any]) -> Event:
    kind, metadata = event["type"], event.get("metadata", {})
    event_id = metadata.get("conversion_id")
    name = kind.get("custom_event_name", kind["tracking_type"])
    key = (kind["tracking_type"], name, event["action_source"], hashed(event_id)) if event_id else None
    facts = len(metadata) + len(event.get("user", {})) + ("click_id" in event)
    return Event(name=name, event_id=event_id, payload=event, key=key, richness=facts)


def hashed(event_id: str) -> str:
    """Reddit hashes an id that is not hashed yet, so that both forms meet."""
    return event_id.lower() if SHA256.match(event_id) else hashlib.sha256(event_id.encode()).hexdigest()


NETWORK = Reddit()

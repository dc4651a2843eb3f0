"""Partners that take postback URLs: a tracker at ``/postback``, Taboola, Outbrain, AppLovin and Quora."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
TRACKER, APPLOVIN, QUORA = "/postback", "/v1/event", "/ads/v0/conversions"
PIXELS: Mapping[str, tuple[str, ...]] = {
    TRACKER: ("cid",),
    "/actions-handler/log/3/s2s-action": ("click-id", "name"),
    "/unifiedPixel": ("ob_click_id",),
}
"""Path → the parameters that the partner asks for."""
ID_NAMES = ("eid", "txid", "orderid", "orderId")
NAME_NAMES = ("et", "name")
QUORA_REFUSED = {"events_processed": 0, "events_errored": 1, "events": [{"index": 0, "status": "ERROR"}]}


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body={"error": text}, headers=headers or {}, code=str(status))


ERRORS = {
    "tracker_refused": Answer(status=400, body="ERROR unknown click", code="400"),
    "tracker_unauthorized": Answer(status=401, body="ERROR unknown key", code="401"),
    "applovin_dropped": said(400, "batch dropped"),
    "applovin_unauthorized": said(401, "unauthorized"),
    "quora_errored": Answer(body=QUORA_REFUSED, code="200"),
    "tracker_throttled": Answer(status=429, body="slow down", headers={"Retry-After": "5"}, code="429"),
    "tracker_down": Answer(status=503, body="down", code="503"),
}


class Generic(SandboxNetwork):
    name = "generic"
    errors = ERRORS.keys()
    dedup_window = timedelta(days=1)
    paths = (*PIXELS, APPLOVIN, QUORA)
    refusal = (
        "HTTP 400 with a text; AppLovin's is JSON. Quora answers HTTP 200 with `events_errored`. A success is `OK`, of "
        "the JSON endpoints their own answer."
    )
    stricter = "Requests without the partner's click id, and AppLovin's and Quora's keys that they do not document."
    deduplication = (
        "Within a day, the same event and id are one event, whichever came first: of a query `eid`, else `txid`, "
        "`orderid` or `orderId`; AppLovin's `dedupe_id`, Quora's `event_id`."
    )

    def owns(self, path: str) -> bool:
        return path in self.paths

    def receive(self, call: Call) -> Batch:
        if call.path in PIXELS:
            return self.pixel(call)
        if call.method != "POST":
            raise Refused(said(405, "method not allowed", {"Allow": "POST"}))
        return self.applovin(call) if call.path == APPLOVIN else self.quora(call)

    def pixel(self, call: Call) -> Batch:
        told = {**call.query, **(call.body if isinstance(call.body, dict) else {})}
        lacking = next((name for name in PIXELS[call.path] if not told.get(name)), None)
        if lacking:
            raise Refused(self.refused(call, Problem(lacking, "missing", kind="missing")))
        if "key" in told and (call.access.expired(told["key"]) or not call.access.good(told["key"])):
            raise Refused(ERRORS["tracker_unauthorized"])
        name = next((str(told[key]) for key in NAME_NAMES if told.get(key)), "conversion")
        event_id = next((str(told[key]) for key in ID_NAMES if told.get(key)), None)
        event = Event(name=name, event_id=event_id, payload=told, key=(name, event_id) if event_id else None)
        return Batch(asset=call.path, test=str(told.get("test")) in ("1", "True"), events=[event])

    def applovin(self, call: Call) -> Batch:
        key = call.headers.get("authorization", "")
        pixel = call.query.get("pixel_id", "")
        if not key or call.access.expired(key) or not call.access.good(key):
            raise Refused(ERRORS["applovin_unauthorized"])
        if not pixel or not call.access.exists(pixel):
            raise Refused(said(400, "pixel_id"))
        events = self.checked(call, "applovin", "events")
        kept = [
            Event(
                name=event["name"],
                event_id=event.get("dedupe_id"),
                payload=event,
                key=(event["name"], event["dedupe_id"]) if "dedupe_id" in event else None,
            )
            for event in events
        ]
        return Batch(asset=pixel, test=False, events=kept)

    def quora(self, call: Call) -> Batch:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or call.access.expired(token) or not call.access.good(token):
            raise Refused(said(401, "unauthorized"))
        events = [event["conversion"] for event in self.checked(call, "quora", "data")]
        kept = [
            Event(name=event["event_name"], event_id=event.get("event_id"), payload=event, key=quora_key(event))
            for event in events
        ]
        return Batch(asset=str(call.body["account_id"]), test=False, events=kept)

    def checked(self, call: Call, definition: str, events: str) -> Any:
        """The events of a JSON body that is as it has to be."""
        if call.body is NOT_JSON:
            raise Refused(said(400, "not JSON"))
        if wrong := first_problem(validator(SCHEMAS, definition), call.body, (events,)):
            raise Refused(self.refused(call, wrong))
        return call.body[events]

    def accepted(self, call: Call, count: int) -> Answer:
        if call.path == QUORA:
            events = [{"index": index, "status": "OK"} for index in range(count)]
            return Answer(body={"events_processed": count, "events_errored": 0, "events": events})
        return Answer(body={"status": "OK"} if call.path == APPLOVIN else "OK")

    def refused(self, call: Call, problem: Problem) -> Answer:
        told = f": {problem.value}" if call.echo and problem.value is not None else ""
        text = f"{problem.field}: {problem.rule}{told}"
        if call.path == QUORA:
            return Answer(body={**QUORA_REFUSED, "error_message": text}, code="200")
        if call.path == APPLOVIN:
            return said(400, text)
        return Answer(status=400, body=f"ERROR {text}", code="400")

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def failed(self, status: int) -> Answer:
        return Answer(status=status, body=f"HTTP {status}", code=str(status))

    def event_ids(self, body: Any) -> list[str]:
        if not isinstance(body, dict):
            return []
        try:
            if "events" in body:
                return [str(event.get("dedupe_id")) for event in body["events"]]
            if "data" in body:
                return [str(event["conversion"].get("event_id")) for event in body["data"]]
        except (AttributeError, KeyError, TypeError):
            return []
        return [str(body[name]) for name in ID_NAMES if body.get(name)][:1]


def quora_key(event: Mapping[str, Any]) -> tuple[str, str] | None:
    return (event["event_name"], str(event["event_id"])) if event.get("event_id") else None


NETWORK = Generic()

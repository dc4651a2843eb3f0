"""Partners that take postback URLs: trackers (Voluum at ``/postback``), Taboola, Outbrain, Unity; JSON of three."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
TRACKER, APPLOVIN, QUORA, NEXTDOOR = "/postback", "/v1/event", "/ads/v0/conversions", "/v2/api/conversions/track"
TUNE, KEITARO, UNITY = "/aff_lsr", "/{key}/postback", "/v1/events"
PIXELS: Mapping[str, tuple[str, ...]] = {
    TRACKER: ("cid",),
    "/actions-handler/log/3/s2s-action": ("click-id", "name"),
    "/unifiedPixel": ("ob_click_id",),
    "/": ("nid", "transaction_id|coupon_code|oid"),
    TUNE: ("transaction_id",),
    KEITARO: ("subid",),
    UNITY: ("ifa|idfa|aid|gamer_id|android_id_md5", "game_id"),
}
"""Path → the parameters that the partner asks for; `a|b`: one of them. Everflow has its own at the root."""
ID_NAMES = ("eid", "txid", "orderid", "orderId", "tid")
NAME_NAMES = ("et", "name", "status", "event")
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
    paths = (*PIXELS, APPLOVIN, QUORA, NEXTDOOR)
    refusal = (
        "HTTP 400 with a text; AppLovin's and Nextdoor's are JSON. Quora answers HTTP 200 with `events_errored`, TUNE "
        "with `success=false`. A success is `OK`, of TUNE `success=true`, of the JSON endpoints their own answer."
    )
    stricter = (
        "Requests without the partner's click id or device, and AppLovin's, Quora's and Nextdoor's keys that they do "
        "not document. Unity's path is OpenAI's, too: its events come by GET."
    )
    deduplication = (
        "Within a day, the same event and id are one event, whichever came first: of a query `eid`, else `txid`, "
        "`orderid`, `orderId` or `tid`; AppLovin's `dedupe_id`, Quora's and Nextdoor's `event_id`."
    )

    def owns(self, path: str) -> bool:
        return path in self.paths or _keitaro(path) is not None

    def takes(self, method: str, path: str) -> bool:
        return self.owns(path) and (method == "GET" or path != UNITY)

    def receive(self, call: Call) -> Batch:
        if _pixel(call.path):
            return self.pixel(call)
        if call.method != "POST":
            raise Refused(said(405, "method not allowed", {"Allow": "POST"}))
        if call.path == NEXTDOOR:
            return self.nextdoor(call)
        return self.applovin(call) if call.path == APPLOVIN else self.quora(call)

    def pixel(self, call: Call) -> Batch:
        told = {**call.query, **(call.body if isinstance(call.body, dict) else {})}
        asked = PIXELS[_pixel(call.path)]
        lacking = next((names for names in asked if not any(map(told.get, names.split("|")))), None)
        if lacking:
            raise Refused(self.refused(call, Problem(lacking, "missing", kind="missing")))
        in_path = _keitaro(call.path)
        key = in_path[1] if in_path else told.get("key", "")
        if call.access.expired(key) or (key and not call.access.good(key)):
            raise Refused(ERRORS["tracker_unauthorized"])
        name = next((str(told[key]) for key in NAME_NAMES if told.get(key)), "conversion")
        event_id = next((str(told[key]) for key in ID_NAMES if told.get(key)), None)
        event = Event(name=name, event_id=event_id, payload=told, key=(name, event_id) if event_id else None)
        return Batch(asset=_pixel(call.path), test=str(told.get("test")) in ("1", "True"), events=[event])

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

    def nextdoor(self, call: Call) -> Batch:
        """One event a call."""
        self.admit(call)
        event = self.checked(call, "nextdoor", "")
        if event["action_source"] == "website" and "action_source_url" not in event:
            raise Refused(self.refused(call, Problem("action_source_url", "missing", kind="missing")))
        kept = Event(name=event["event_name"], event_id=event.get("event_id"), payload=event, key=event_key(event))
        return Batch(asset=event["customer"]["pixel_id"], test=event.get("test_event") == "true", events=[kept])

    def admit(self, call: Call) -> None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or call.access.expired(token) or not call.access.good(token):
            raise Refused(said(401, "unauthorized"))

    def quora(self, call: Call) -> Batch:
        self.admit(call)
        events = [event["conversion"] for event in self.checked(call, "quora", "data")]
        kept = [
            Event(name=event["event_name"], event_id=event.get("event_id"), payload=event, key=event_key(event))
            for event in events
        ]
        return Batch(asset=str(call.body["account_id"]), test=False, events=kept)

    def checked(self, call: Call, definition: str, events: str) -> Any:
        """The events of a JSON body that is as it has to be; the body itself, where it is one."""
        if call.body is NOT_JSON:
            raise Refused(said(400, "not JSON"))
        if wrong := first_problem(validator(SCHEMAS, definition), call.body, (events,) if events else ()):
            raise Refused(self.refused(call, wrong))
        return call.body[events] if events else call.body

    def accepted(self, call: Call, count: int) -> Answer:
        if call.path == QUORA:
            events = [{"index": index, "status": "OK"} for index in range(count)]
            return Answer(body={"events_processed": count, "events_errored": 0, "events": events})
        if call.path == TUNE:
            return Answer(body="success=true;")
        return Answer(body={"status": "OK"} if call.path in (APPLOVIN, NEXTDOOR) else "OK")

    def refused(self, call: Call, problem: Problem) -> Answer:
        told = f": {problem.value}" if call.echo and problem.value is not None else ""
        text = f"{problem.field}: {problem.rule}{told}"
        if call.path == QUORA:
            return Answer(body={**QUORA_REFUSED, "error_message": text}, code="200")
        if call.path == TUNE:
            return Answer(body=f"success=false;err_msg={text};", code="200")
        if call.path in (APPLOVIN, NEXTDOOR):
            return said(400, text)
        return Answer(status=400, body=f"ERROR {text}", code="400")

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def failed(self, status: int) -> Answer:
        return Answer(status=status, body=f"HTTP {status}", code=str(status))

    def ids_in(self, body: Any) -> list[str]:
        if not isinstance(body, dict):
            return []
        if "events" in body:
            return [str(event.get("dedupe_id")) for event in body["events"]]
        if "data" in body:
            return [str(event["conversion"].get("event_id")) for event in body["data"]]
        return [str(body[name]) for name in (*ID_NAMES, "event_id") if body.get(name)][:1]


_keitaro = re.compile(r"/([^/]+)/postback").fullmatch


def _pixel(path: str) -> str:
    """The path of ``PIXELS`` that a request's path is; empty: none."""
    return KEITARO if _keitaro(path) else path if path in PIXELS else ""


def event_key(event: Mapping[str, Any]) -> tuple[str, str] | None:
    return (event["event_name"], str(event["event_id"])) if event.get("event_id") else None


NETWORK = Generic()

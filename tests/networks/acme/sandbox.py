"""The network ``acme``, as the sandbox plays it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")


class Acme(SandboxNetwork):
    name = "acme"
    errors = ("wrong",)
    dedup_window = timedelta(hours=48)
    paths = ("/acme",)
    refusal = "HTTP 200 with the code `wrong`, the field and the rule."
    stricter = "Keys that it does not document."
    deduplication = "The same event and id within 48 hours are one event. The first copy wins."

    def owns(self, path: str) -> bool:
        return path == "/acme"

    def receive(self, call: Call) -> Batch:
        if call.body is NOT_JSON:
            raise Refused(self.error(call, "wrong"))
        if wrong := first_problem(validator(SCHEMAS, "request"), call.body, ("events",)):
            raise Refused(self.refused(call, wrong))
        events = [
            Event(name=event["event"], event_id=event["id"], payload=event, key=(event["event"], event["id"]))
            for event in call.body["events"]
        ]
        return Batch(asset=call.body["pixel"], test=False, events=events)

    def accepted(self, call: Call, count: int) -> Answer:
        return Answer(body={"code": "taken"})

    def refused(self, call: Call, problem: Problem) -> Answer:
        return Answer(body={"code": "wrong", "field": problem.field, "rule": problem.rule}, code="wrong")

    def error(self, call: Call, name: str) -> Answer:
        return Answer(body={"code": name}, code=name)

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("id")) for event in body["events"]]


NETWORK = Acme()

"""adpostbacks explain: the whole story of one conversion, for every account."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from rich.cells import cell_len

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._output import printable, write_json, write_jsonl
from target_adpostbacks.cli._tables import terminal
from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.health import shown
from target_adpostbacks.core.money import money
from target_adpostbacks.core.postback import receiver_of_trial
from target_adpostbacks.core.reasons import REASONS, STATUSES
from target_adpostbacks.ledger import LedgerReader, NoLedger, Story, UnusableLedger
from target_adpostbacks.networks import NETWORKS

COLORS = {"accepted": "green", "rejected": "red", "open": "yellow", "skipped": "bright_black"}
LABEL = 12
"""Columns for what a line of a story is about."""
BY_ADDRESS = "If it came from a browser or an app, map `ip_address` and `user_agent`: more people are found with them."


@click.command()
@click.argument("event_id", required=False, default="")
@click.option("--order-id", default="", metavar="ID", help="The order's id, for conversions whose event id it is.")
@_options.ledger_url
@_options.output("table", "json", "jsonl")
def explain(event_id: str, order_id: str, ledger_url: str, style: str) -> None:
    """Tell the whole story of one conversion.

    For every account and event that has this id: what came in, which rule or reason left it out, what was sent, every
    request with the network's words and its id of it, and what to do next. Match keys are told by their names: the
    ledger holds no value. Exit 1 if it is unknown.

    \b
    Example: adpostbacks explain evt_9f1c2d
    Example: adpostbacks explain --order-id 10234 --format json
    """
    if bool(event_id) == bool(order_id):
        raise click.UsageError("name one EVENT_ID, or one --order-id")
    wanted = event_id or order_id
    try:
        with LedgerReader(ledger_url) as ledger:
            stories, place = ledger.stories(wanted), f"the ledger is {ledger.location}"
            if ledger.layout == "compact":
                place += ", which is compact: it has no rows of what was accepted"
    except NoLedger as error:
        stories, place = [], str(error)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    if not stories:
        raise click.ClickException(f"{printable(wanted)}: no conversion has this event id; {place}")
    WRITERS[style](stories)


def _object(story: Story) -> dict[str, Any]:
    """A story as JSON has it."""
    delivery = story.delivery
    names = ("event_id", "event_name", "adjustment", "test", "network", "account", "asset")
    return {
        **{name: delivery[name] for name in names},
        "is_trial": receiver_of_trial(delivery["asset"]) is not None,
        **{name: delivery[name] for name in ("status", "reason", "code", "message")},
        "explanation": _explanation(delivery),
        "advice": _advice(delivery),
        "came_in": {name: delivery[name] for name in ("stream", "line", "run_id")},
        "sent": {
            **{name: delivery[name] for name in ("network_event", "event_time", "value", "currency")},
            "match_keys": _match_keys(delivery),
            "sent_at": delivery["sent_at"],
        },
        "click": {name: delivery[name] for name in ("stitched_by", "click_row")},
        "deadline": delivery["deadline"],
        "updated_at": delivery["updated_at"],
        "requests": [request._asdict() for request in story.requests],
        "earlier_verdicts": [verdict._asdict() for verdict in story.verdicts],
    }


def _explanation(delivery: Mapping[str, Any]) -> str:
    """What the status and the reason mean."""
    reason = REASONS.get(delivery["reason"])
    return reason.sentence if reason else STATUSES.get(delivery["status"], "")


def _advice(delivery: Mapping[str, Any]) -> str:
    network = NETWORKS.get(delivery["network"])
    if delivery["status"] == "accepted":
        keys, by_address = _match_keys(delivery), network.match_columns.get("ip_address") if network else None
        return BY_ADDRESS if keys and by_address and by_address not in keys else ""
    words = {name: delivery[name] for name in ("reason", "code", "message", "http_status")}
    to_do = advice(network, **words)
    return to_do or (f"Look up the network's words in its documentation: {network.docs}" if network else "")


def _match_keys(delivery: Mapping[str, Any]) -> list[str]:
    return [key for key in delivery["match_keys"].split(",") if key]


def _write_table(stories: Sequence[Story]) -> None:
    width, colored = terminal()
    for number, story in enumerate(stories):
        if number:
            print()
        print(_head(story.delivery, colored=colored))
        for label, texts in _told(story):
            for text in texts:
                print(*_wrapped(label, text, width), sep="\n")
                label = ""


def _head(delivery: Mapping[str, Any], *, colored: bool) -> str:
    account = f"{delivery['network']}.{delivery['account']}" if delivery["network"] else "no account"
    kinds = [
        kind for kind, is_it in (("test", delivery["test"]), ("trial", receiver_of_trial(delivery["asset"]))) if is_it
    ]
    status = delivery["status"]
    head = printable(f"{delivery['event_id']}  {delivery['event_name']}  {account}  ")
    about = f" ({', '.join(kinds)})" if kinds else ""
    return (
        f"{click.style(head, bold=True)}{click.style(status, fg=COLORS.get(status))}{about}"
        if colored
        else head + status + about
    )


def _told(story: Story) -> Iterator[tuple[str, Iterable[str]]]:
    """What each line of a story is about, and its lines."""
    delivery = story.delivery
    yield "Came in", [_came_in(delivery)]
    yield (
        "Verdict",
        [
            _verdict(**{name: delivery[name] for name in ("status", "reason", "code", "message")}),
            _explanation(delivery),
        ],
    )
    if event := delivery["network_event"]:
        yield "Event", [f"{event}, sent to {delivery['asset']}"]
    if keys := _match_keys(delivery):
        yield "Match keys", [", ".join(keys)]
    if column := delivery["stitched_by"]:
        yield (
            "Click",
            [f"Found by {column}: it came before, and is number {delivery['click_row']} in the table clicks."],
        )
    yield "Requests", [*map(_request, (request._asdict() for request in story.requests))]
    yield "Earlier", [f"{_time(each.at)}  {_verdict(*each[1:])}" for each in story.verdicts]
    if delivery["deadline"]:
        yield "Deadline", [f"It can't be sent after {shown(delivery['deadline'])}."]
    yield "What next", [_advice(delivery) or "Nothing to do."]


def _came_in(delivery: Mapping[str, Any]) -> str:
    value, currency, happened = delivery["value"], delivery["currency"], delivery["event_time"]
    parts = [
        f"line {delivery['line']} of stream {delivery['stream']}"
        if delivery["line"]
        else "long ago: details are forgotten",
        f"happened {shown(happened)}" if happened else "",
        f"{money(value, currency or '')} {currency or 'without currency'}" if value is not None else "",
        delivery["adjustment"],
        f"run {delivery['run_id']}",
    ]
    return ", ".join(filter(None, parts))


def _verdict(status: str, reason: str, code: str, message: str) -> str:
    return ": ".join(filter(None, (", ".join(filter(None, (status, reason))), code if code != "0" else "", message)))


def _request(request: Mapping[str, Any]) -> str:
    answer = f"HTTP {request['http_status']}" if request["http_status"] else "no answer"
    code = "" if request["status"] == "Success" else request["code"]
    words = ": ".join(filter(None, (code, request["message"])))
    parts = [
        f"{_time(request['started_at'])}  {request['status']}",
        f"{answer} in {request['latency_ms']:,} ms",
        _others(request["events"] - 1),
        words.removesuffix("."),
        f"request id {request['network_request_id']}" if request["network_request_id"] else "",
        request["counted"],
    ]
    return ", ".join(filter(None, parts))


def _others(count: int) -> str:
    return "alone" if not count else "with 1 other" if count == 1 else f"with {count:,} others"


def _time(time: str) -> str:
    return f"{time[:10]} {time[11:19]}"


def _wrapped(label: str, text: str, width: int | None) -> list[str]:
    indent = " " * (2 + LABEL)
    first = f"  {label}{' ' * (LABEL - cell_len(label))}"
    return textwrap.wrap(
        printable(text), width or 10_000, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    ) or [first.rstrip()]


def _objects(stories: Iterable[Story]) -> Iterator[dict[str, Any]]:
    return map(_object, stories)


WRITERS: Mapping[str, Callable[[Sequence[Story]], None]] = {
    "table": _write_table,
    "json": lambda stories: write_json(_objects(stories)),
    "jsonl": lambda stories: write_jsonl(_objects(stories)),
}

"""Every source preset: its rows become the records that its fixture says, and every network takes them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from canaries import canaries_in, left_behind
from conftest import NOW, SETTINGS, TEST_CODES
from sourced import ROWS, Case, cases, preparation, records, stream_of

from target_adpostbacks.config import read
from target_adpostbacks.config.sources import rows_of
from target_adpostbacks.delivery.balance import Tally
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import sources
from target_adpostbacks.rules.sources import PLAIN_LINES
from target_adpostbacks.run import Run
from target_adpostbacks.sandbox import Sandbox

NAMES = sources.names()
FEWEST = 50
"""Rows of a fixture: ordinary, updated again, refunded, cancelled, test, missing, hostile."""


def config_of(name: str, case: Case) -> dict[str, object]:
    return {"source": name, **case.config}


@pytest.mark.parametrize("name", NAMES)
def test_each_row_becomes_the_records_that_it_should(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-docs"):
        _write_down(name)
    for case in cases(name):
        assert records(config_of(name, case), case.row, case.stream) == case.becomes, case.about


def _write_down(name: str) -> None:
    """Fill in what rows become that do not say so yet, to be read by whoever adds them."""
    lines = []
    for case in cases(name):
        becomes = case.becomes
        if becomes is None:
            becomes = records(config_of(name, case), case.row, case.stream)
        said = {**case._asdict(), "becomes": becomes}
        lines.append(json.dumps({key: value for key, value in said.items() if value}, ensure_ascii=False))
    (ROWS / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_has_every_kind_of_row(name: str) -> None:
    about = [case.about for case in cases(name)]
    assert len(about) == len({*about}) >= FEWEST


@pytest.mark.parametrize("name", NAMES)
def test_the_example_becomes_the_record_of_its_page(name: str) -> None:
    preset = sources.shipped(name)
    record, *corrections = records({"source": name}, preset.example)
    assert record == preset.record
    assert all(each == {**record, "adjustment": "restate"} for each in corrections)  # with what is accepted then


OF_OTHER_TAPS = {"shopify_orders": "an ordinary order by GraphQL", "revenuecat": "a subscription of the export"}


@pytest.mark.parametrize(("name", "about"), [*((name, cases(name)[0].about) for name in NAMES), *OF_OTHER_TAPS.items()])
def test_rows_as_one_of_its_taps_gives_them_lack_nothing(name: str, about: str) -> None:
    (row,) = (case.row for case in cases(name) if case.about == about)
    made = preparation({"source": name})
    made.prepare(row, NOW, stream=stream_of(name))
    assert made.unmet_paths == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_has_no_mistake_and_needs_no_answer(name: str) -> None:
    preset, mistakes = sources.shipped(name), list[str]()
    assert rows_of(preset.rows, "", mistakes)[: len(preset.rows)] or not preset.rows
    own = {each: getattr(preset, each) for each in sources.Source.__struct_fields__}
    own = {each: said for each, said in own.items() if said and each not in ("requires", "warns", "extends")}
    own = {each: [*said] if isinstance(said, tuple) else said for each, said in own.items()}
    assert read({"source": "mine", "sources": {"mine": own}, "tiktok": SETTINGS["tiktok"]})
    assert mistakes == []
    for question in preset.requires:
        assert question.default is not None
        assert bool(question.choices) != bool(question.setting)
        assert question.default in question.choices or not question.choices
        for settings in question.choices.values():
            mine = {"extends": name, **settings}
            assert read({"source": "mine", "sources": {"mine": mine}, "tiktok": SETTINGS["tiktok"]})


@pytest.mark.parametrize("name", NAMES)
def test_every_network_takes_what_comes_of_the_rows_and_takes_it_once(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Sandbox(now=lambda: NOW) as sandbox:
        networks = {
            section: {**SETTINGS[section], "send": "all", "base_url": sandbox.url}
            | (
                {network.test_setting: TEST_CODES[section]}
                if network.test_setting and not network.tests_by_event
                else {}
            )
            for section, network in NETWORKS.items()
            if not network.accounts_are_networks
        }
        shop = {"defaults": {"event_source_url": "https://shop.example.com/"}}
        config = {"source": name, **shop, **networks, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
        first, second = (_run(name, config) for _ in range(2))
        assert (first.rejected, first.open) == (0, {})
        assert first.accepted
        assert (second.accepted, second.already_accepted) == (0, first.accepted + first.already_accepted)
        assert (second.skipped, second.open) == (first.skipped, {})
    assert canaries_in(left_behind(tmp_path, caplog.text)) == []


def _run(name: str, config: dict[str, Any]) -> Tally:
    run = Run(*read(config), log=logging.getLogger("sourced"), clock=lambda: NOW)
    run.begin()
    for case in cases(name):
        if not case.config:
            run.add(case.row, stream=case.stream or stream_of(name), key=("id",))
    run.settle()
    assert run.close() == 0
    return run.tally


def _with_answer(name: str, answer: str, row: dict[str, Any]) -> list[Any]:
    """What a row becomes by a preset for which the question with this answer got it."""
    (settings,) = (q.choices[answer] for q in sources.shipped(name).requires if answer in q.choices)
    return [
        (each.get("event_name"), each.get("adjustment"), each.get("value"))
        if "skipped" not in each
        else each["skipped"]
        for each in records({"source": "mine", "sources": {"mine": {"extends": name, **settings}}}, row, PLAIN_LINES)
    ]


@pytest.mark.parametrize("is_graphql", [False, True])
def test_an_order_that_is_worth_its_net_is_restated_net(is_graphql: bool) -> None:
    order: dict[str, Any] = {"id": 1, "processed_at": "2026-11-20T09:00:00Z", "currency": "EUR"}
    money = {"total_price": 59.9, "subtotal_price": "50", "current_total_price": "49.9", "current_subtotal_price": "42"}
    graphql = {"subtotalPriceSet": "50", "currentTotalPriceSet": "49.9", "currentSubtotalPriceSet": "42"}
    if is_graphql:
        order |= {name: {"shopMoney": {"amount": amount}} for name, amount in graphql.items()}
        order["displayFinancialStatus"] = "PARTIALLY_REFUNDED"
    else:
        order |= {**money, "financial_status": "partially_refunded"}
    sold, left = ("purchase", None, 50), ("purchase", "restate", 42)
    assert _with_answer("shopify_orders", "net", order) == [sold, left]
    cancelled = {**order, "cancelled_at": "2026-11-20T11:00:00Z"}
    assert _with_answer("shopify_orders", "net", cancelled) == [("purchase", "retract", 50)]
    assert _with_answer("shopify_orders", "net", {**order, "source_name": "shopify_draft_order"}) == ["by_rule"]


RENEWAL_REFUNDED = [
    {
        "event": {
            "type": "CANCELLATION",
            "cancel_reason": "CUSTOMER_SUPPORT",
            "expiration_at_ms": 1795268800000,
            "transaction_id": "GPA.0-1",
            "purchased_at_ms": 1795168800000,
        }
    },
    {
        "store_transaction_id": "GPA.0-1",
        "start_time": "2026-11-20T10:00:00",
        "is_auto_renewable": "true",
        "renewal_number": "3",
        "refunded_at": "2026-11-21T10:00:00",
    },
]


@pytest.mark.parametrize("row", RENEWAL_REFUNDED)
def test_a_renewal_that_counts_as_a_purchase_is_retracted_as_one(row: dict[str, Any]) -> None:
    retracted = [("purchase", "retract", None), ("subscribe", "retract", None)]  # of which one has an original
    assert _with_answer("revenuecat", "yes", row) == retracted


def test_a_renewal_of_woocommerce_that_counts_is_corrected_too() -> None:
    order = {"id": 1, "total": "59.90", "currency": "EUR", "date_paid_gmt": "2026-11-20T09:00:00"}
    order |= {"created_via": "subscription", "status": "completed"}
    sold = ("purchase", None, 59.9)
    assert _with_answer("woocommerce_orders", "yes", order) == [sold]
    part = {**order, "refunds": [{"id": 5, "total": "-9.90"}]}
    assert _with_answer("woocommerce_orders", "yes", part) == [sold, ("purchase", "restate", 50)]
    back = {**order, "status": "refunded"}
    assert _with_answer("woocommerce_orders", "yes", back) == [("purchase", "retract", 59.9)]


def test_an_opportunity_that_does_not_say_whether_it_is_won_retracts_nothing() -> None:
    row = {"Id": "006000000000001AAA", "LastStageChangeDate": "2026-11-20T09:00:00Z", "Amount": 5, "email": "a@b.de"}
    assert [each["skipped"] for each in records({"source": "salesforce_opportunities"}, row)] == ["by_rule"]
    won, _ = records({"source": "salesforce_opportunities"}, {**row, "IsWon": "True"})
    assert (won["event_name"], won.get("adjustment")) == ("purchase", None)


def test_an_export_of_adjust_without_braces_derives_ids_too() -> None:
    row = {"adid": "a1", "created_at": "1795168800", "activity_kind": "event", "event": "abc", "event_name": "purchase"}
    ids = [records({"source": "adjust"}, {**row, **other})[0].get("event_id") for other in ({}, {"adid": "a2"}, {})]
    assert ids[0]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    ("name", "row", "by_answer"),
    [
        ("segment", {"context_library_name": "analytics-node"}, {"web": "web", "app": "app", "offline": "offline"}),
        ("segment", {"context_library_name": "analytics.js"}, {"app": "web", "offline": "web"}),
        ("segment", {"context_library_name": "analytics-ios"}, {"web": "app", "offline": "app"}),
        ("segment", {}, {"app": "web", "offline": "web"}),
        ("rudderstack", {"channel": "server"}, {"web": "web", "app": "app", "offline": "offline"}),
        ("rudderstack", {"channel": "web"}, {"app": "web", "offline": "web"}),
        ("rudderstack", {"channel": "mobile"}, {"web": "app", "offline": "app"}),
    ],
)
def test_the_user_says_where_events_of_a_server_happen(
    name: str, row: dict[str, Any], by_answer: dict[str, str]
) -> None:
    (question,) = (question for question in sources.shipped(name).requires if "offline" in question.choices)
    event = {"id": "1", "event_text": "Order Completed", "timestamp": "2026-11-20T09:00:00Z"}
    for answer, happened in by_answer.items():
        mine = {"extends": name, **question.choices[answer]}
        (record,) = records({"source": "mine", "sources": {"mine": mine}}, {**event, **row}, PLAIN_LINES)
        assert record.get("event_source", "web") == happened, answer


def test_ga4_sends_what_goes_before_a_sale_unless_the_user_says_otherwise() -> None:
    event = {"event_timestamp": 1795168800000000, "user_pseudo_id": "1.2"}
    for name, by_default in {"add_to_cart": "add_to_cart", "purchase": "purchase", "sign_up": "sign_up"}.items():
        row = {**event, "event_name": name}
        (unasked,) = records({"source": "ga4_bigquery"}, row)
        assert unasked["event_name"] == by_default
        (said,) = _with_answer("ga4_bigquery", "sales", row)
        assert said == ("event_off" if name == "add_to_cart" else (by_default, None, None))

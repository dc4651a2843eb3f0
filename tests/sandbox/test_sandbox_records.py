import re
from pathlib import Path
from typing import Any

import pytest
import requests
from sandbox_calls import (
    SECONDS,
    a_sandbox,
    reddit_body,
    reddit_event,
    tiktok_body,
    tiktok_event,
    to_reddit,
    to_tiktok,
)

from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS
from target_adpostbacks.sandbox.records import Records, Seen


def get(sandbox: Sandbox, path: str) -> Any:
    return requests.get(sandbox.url + path, timeout=60).json()


def test_a_received_event_tells_who_got_what_and_how_often() -> None:
    event = tiktok_event("evt-7")
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body(event))
        assert sandbox.received == [
            {
                "network": "tiktok",
                "asset": "D7VH38JC77U3LFDOLGRG",
                "event": "Purchase",
                "event_id": "evt-7",
                "test": False,
                "times": 1,
                "payload": event,
            }
        ]


def test_received_can_be_asked_over_http_by_network_and_test() -> None:
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body(tiktok_event("live")))
        to_tiktok(sandbox, tiktok_body(tiktok_event("test"), test_event_code="TEST1"))
        to_reddit(sandbox, reddit_body(reddit_event("other")))
        asked = ["/_received", "/_received?network=tiktok", "/_received?network=tiktok&test=true"]
        ids = [[event["event_id"] for event in get(sandbox, path)["events"]] for path in asked]
    assert ids == [["live", "other"], ["live"], ["test"]]


def test_statistics_count_by_network_and_code() -> None:
    with a_sandbox() as sandbox:
        for _ in range(2):
            to_tiktok(sandbox, tiktok_body(tiktok_event("a"), tiktok_event("b")))
        to_tiktok(sandbox, tiktok_body(tiktok_event(event_id=1)))
        to_tiktok(sandbox, tiktok_body(tiktok_event("test"), test_event_code="TEST1"))
        stats = get(sandbox, "/_stats")
    assert stats["requests"] == 4
    assert stats["networks"]["tiktok"] == {
        "requests": 4,
        "events": 2,
        "test_events": 1,
        "duplicates": 2,
        "refused": {"40002": 1},
    }
    assert stats["networks"]["reddit"]["requests"] == 0


def test_requests_are_noted_with_their_secrets_masked() -> None:
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body(tiktok_event()), headers={"Access-Token": "s3cret"})
        to_reddit(sandbox, reddit_body(reddit_event()), headers={"Authorization": "Bearer s3cret"})
        keys = {"app_id": "1", "secret": "s3cret", "auth_code": "s3cret"}
        to_tiktok(sandbox, keys, path="/open_api/v1.3/oauth2/access_token/")
        url = f"{sandbox.url}/open_api/v1.3/oauth2/advertiser/get/"
        requests.get(url, params={"app_id": "1", "secret": "s3cret"}, headers={"Access-Token": "s3cret"}, timeout=60)
        seen = sandbox.requests
    assert [(one["network"], one["method"], one["status"]) for one in seen] == [
        ("tiktok", "POST", 200),
        ("reddit", "POST", 200),
        ("tiktok", "POST", 200),
        ("tiktok", "GET", 200),
    ]
    assert seen[0]["body"]["data"] == [tiktok_event()]
    assert "s3cret" not in str(seen)


def test_a_refused_request_is_noted_too() -> None:
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body())
        assert [(seen["status"], seen["code"]) for seen in sandbox.requests] == [(200, "40002")]


def test_reset_forgets_everything_and_begins_the_faults_again() -> None:
    with a_sandbox(faults=[{"error": 40100, "times": 1}]) as sandbox:
        for _ in range(2):
            to_tiktok(sandbox, tiktok_body(tiktok_event()))
        assert len(sandbox.received) == 1
        requests.post(f"{sandbox.url}/_reset", timeout=60)
        assert (sandbox.received, sandbox.requests, sandbox.stats()["requests"]) == ([], [], 0)
        assert to_tiktok(sandbox, tiktok_body(tiktok_event())).json()["code"] == 40100


def test_ids_alone_can_be_kept() -> None:
    with a_sandbox(keep="ids") as sandbox:
        to_tiktok(sandbox, tiktok_body(tiktok_event()))
        assert [(event["event_id"], event["payload"]) for event in sandbox.received] == [("evt-1", None)]
        assert sandbox.requests[0]["body"] is None


def test_the_oldest_events_are_forgotten_beyond_the_limit() -> None:
    with a_sandbox(max_events=2) as sandbox:
        to_tiktok(sandbox, tiktok_body(*[tiktok_event(str(n)) for n in range(5)]))
        assert [event["event_id"] for event in sandbox.received] == ["3", "4"]
        assert (sandbox.stats()["forgotten"], sandbox.stats()["networks"]["tiktok"]["events"]) == (3, 5)


def test_bodies_are_kept_only_while_there_is_room() -> None:
    records = Records(max_bytes=10)
    for body in (b'"12345"', b'"67890"'):
        seen = {"network": "tiktok", "method": "POST", "path": "/", "query": {}, "headers": {}, "code": ""}
        records.note(Seen(**seen, body=body, status=200), None)  # type: ignore[arg-type]
    assert [seen["body"] for seen in records.requests()] == ["12345", None]


def test_two_sandboxes_do_not_know_of_each_other() -> None:
    with a_sandbox() as one, a_sandbox() as other:
        to_tiktok(one, tiktok_body(tiktok_event()))
        assert (len(one.received), len(other.received)) == (1, 0)


def test_it_listens_on_the_loopback_only_and_its_port_is_free_afterwards() -> None:
    with a_sandbox() as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=port).__enter__()
    with a_sandbox(port=port) as again:
        assert again.url == sandbox.url


def test_an_unknown_path_is_nobodys() -> None:
    with a_sandbox() as sandbox:
        assert requests.get(f"{sandbox.url}/elsewhere", timeout=60).status_code == 404


def test_without_a_clock_of_its_own_it_goes_by_the_computers() -> None:
    with Sandbox() as sandbox:
        assert to_tiktok(sandbox, tiktok_body(tiktok_event(event_time=SECONDS * 2))).json()["code"] == 40002


def test_every_network_has_its_sandbox() -> None:
    assert SANDBOX_NETWORKS.keys() == NETWORKS.keys()


def test_the_sandbox_imports_nothing_of_the_core_or_the_networks() -> None:
    folder = Path(__file__).parents[2] / "target_adpostbacks" / "sandbox"
    sources = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    imported = re.findall(r"^ *(?:from|import) (target_adpostbacks\S*)", sources, re.MULTILINE)
    assert len(imported) > 10
    assert {name for name in imported if not name.startswith("target_adpostbacks.sandbox")} == set()

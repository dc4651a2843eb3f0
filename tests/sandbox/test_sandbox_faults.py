import gzip
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from patience import PATIENCE
from sandbox_calls import (
    a_sandbox,
    endpoint,
    reddit_body,
    reddit_event,
    tiktok_body,
    tiktok_event,
    to_reddit,
    to_tiktok,
)

from target_adpostbacks.sandbox import Sandbox

TIKTOK_CODES = [
    20001, 40000, 40001, 40002, 40003, 40006, 40007, 40008, 40009, *range(40010, 40015), 40016, 40050, 40051, 40061,
    40062, 40063, 40100, 40101, 40102, 40103, 40104, 40105, 40106, 40107, 40108, 40109, 40110, 40112, 40113, 40114,
    40115, 40116, 40117, 40118, 40119, 40120, 40124, 40125, 40130, 40131, 40132, 40200, 40201, 40202, 40300, 40301,
    40309, 40400, 40700, 41000, 41001, 41002, 50000, 50002, 51000, 51010, 51012, 51050, 51099, 52000, 52204, 53102,
    53103, 60001, 61000, 70001,
]  # fmt: skip
TIKTOK_NAMES = {
    "partial": 20001, "invalid_params": 40000, "no_permission": 40001, "param_error": 40002, "forbidden": 40003,
    "duplicated_request": 40050, "invalid_api_version": 40051, "invalid_batch_size": 40061, "pii_not_hashed": 40062,
    "invalid_partner_name": 40063, "too_frequent": 40100, "invalid_app": 40101, "token_expired": 40102,
    "empty_token": 40104, "invalid_token": 40105, "auth_code": 40110, "not_allow_listed": 40118, "scope": 40130,
    "write_conflict": 40202, "no_advertiser": 40300, "role": 40301, "route": 40400, "blocked": 41000,
    "system_error": 50000, "timeout": 50002, "pixel_service": 51012, "maintenance": 60001, "too_many_requests": 61000,
}  # fmt: skip
REDDIT_NAMES = {
    "bad_request": 400, "unknown_field": 400, "invalid_value": 400, "v2_invalid_events": 400, "bad_request_text": 400,
    "unauthorized": 401, "authorization_required": 401, "forbidden": 403, "not_found": 404, "method_not_allowed": 405,
    "timeout": 408, "gone": 410, "too_large": 413, "unprocessable": 422, "rate_limited": 429, "rate_limited_text": 429,
    "rate_limited_header": 429, "internal_error": 500, "bad_gateway": 502, "unavailable": 503, "gateway_timeout": 504,
}  # fmt: skip


def post(sandbox: Sandbox, *, header: Any = None, timeout: float = PATIENCE) -> requests.Response:
    headers = {"X-Sandbox-Fault": json.dumps(header)} if header else {}
    return to_tiktok(sandbox, tiktok_body(tiktok_event()), headers=headers, timeout=timeout)


def codes(sandbox: Sandbox, requests_sent: int) -> list[int]:
    return [post(sandbox).json()["code"] for _ in range(requests_sent)]


def test_every_documented_code_of_tiktok_can_be_produced_by_number() -> None:
    with a_sandbox(faults=[{"error": code, "times": 1} for code in TIKTOK_CODES]) as sandbox:
        assert codes(sandbox, len(TIKTOK_CODES)) == TIKTOK_CODES
        assert sandbox.received == []


@pytest.mark.parametrize(("name", "code"), TIKTOK_NAMES.items())
def test_tiktoks_errors_have_names(name: str, code: int) -> None:
    with a_sandbox() as sandbox:
        answer = post(sandbox, header={"error": name})
        assert (answer.status_code, answer.json()["code"]) == (200, code)
        assert answer.json()["message"]


@pytest.mark.parametrize(("name", "status"), REDDIT_NAMES.items())
def test_reddits_errors_have_names(name: str, status: int) -> None:
    with a_sandbox(faults=[{"network": "reddit", "error": name}]) as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event()))
        assert answer.status_code == status
        assert name != "rate_limited_header" or answer.headers["RateLimit"] == '"default";r=0;t=42'
        assert sandbox.received == []
        assert sandbox.stats()["networks"]["reddit"]["refused"] == {str(status): 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 503, 520])
def test_any_status_can_be_produced_on_any_network(status: int) -> None:
    with a_sandbox(faults=[{"status": status}]) as sandbox:
        assert post(sandbox).status_code == status
        assert to_reddit(sandbox, reddit_body(reddit_event())).status_code == status


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (202, {}, {"code": 0, "data": {}}),
        (400, {"X-Trace": "7"}, {"error": {"code": 190}}),
        (429, {"Retry-After": "2"}, "slow down"),
        (200, {}, ""),
    ],
)
def test_an_answer_can_be_dictated(status: int, headers: dict[str, str], body: Any) -> None:
    with a_sandbox(faults=[{"status": status, "headers": headers, "body": body}]) as sandbox:
        answer = post(sandbox)
        assert answer.status_code == status
        assert headers.items() <= answer.headers.items()
        assert (answer.text if isinstance(body, str) else answer.json()) == body
        assert sandbox.received == []


def test_a_rule_ends_after_its_times_and_begins_after_its_requests() -> None:
    with a_sandbox(faults=[{"error": 40100, "after": 1, "times": 2}]) as sandbox:
        assert codes(sandbox, 5) == [0, 40100, 40100, 0, 0]


def test_a_rule_without_times_holds_for_ever() -> None:
    with a_sandbox(faults=[{"error": 50000, "times": 1}, {"error": 40100, "times": None}]) as sandbox:
        assert codes(sandbox, 4) == [50000, 40100, 40100, 40100]


def test_a_rule_meets_its_network_and_path_only() -> None:
    with a_sandbox(
        faults=[{"network": "tiktok", "path": "pixel/list", "status": 500}, {"error": "rate_limited"}]
    ) as sandbox:
        assert post(sandbox).json()["code"] == 0
        assert to_reddit(sandbox, reddit_body(reddit_event())).status_code == 429


def test_faults_can_be_changed_while_it_runs() -> None:
    with a_sandbox() as sandbox:
        assert codes(sandbox, 1) == [0]
        sandbox.faults = [{"error": "too_frequent"}]
        assert codes(sandbox, 1) == [40100]
        assert requests.post(f"{sandbox.url}/_faults", json=[], timeout=60).json() == {"faults": 0}
        assert codes(sandbox, 1) == [0]


def test_a_fault_in_a_header_meets_that_request_only() -> None:
    with a_sandbox(faults=[{"error": 40100}]) as sandbox:
        assert post(sandbox, header={"error": 50000}).json()["code"] == 50000
        assert codes(sandbox, 1) == [40100]


def test_a_fault_in_a_header_may_be_meant_for_another_network() -> None:
    with a_sandbox() as sandbox:
        assert post(sandbox, header={"network": "reddit", "status": 500}).json()["code"] == 0
        assert post(sandbox, header={"error": "rate_limited"}).json()["code"] == 0


@pytest.mark.parametrize("header", ["{", '{"statuz": 500}', '{"times": 1}', "[]"])
def test_a_fault_that_cannot_be_read_is_said_at_once(header: str) -> None:
    with a_sandbox() as sandbox:
        answer = to_tiktok(sandbox, tiktok_body(tiktok_event()), headers={"X-Sandbox-Fault": header})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("X-Sandbox-Fault: ")


@pytest.mark.parametrize("after", ["2", "Fri, 20 Nov 2026 12:06:00 GMT", "soon", 0.5])
def test_retry_after_says_anything_and_is_429_by_itself(after: Any) -> None:
    with a_sandbox() as sandbox:
        answer = post(sandbox, header={"retry_after": after})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(after))
        coded = post(sandbox, header={"error": "too_frequent", "retry_after": after})
        assert (coded.status_code, coded.json()["code"], coded.headers["Retry-After"]) == (200, 40100, str(after))


def test_a_reset_before_takes_nothing_in() -> None:
    with a_sandbox(faults=[{"reset": "before"}]) as sandbox:
        with pytest.raises(requests.ConnectionError):
            post(sandbox)
        assert sandbox.received == []
        assert [seen["status"] for seen in sandbox.requests] == [None]


def test_a_reset_after_takes_everything_in_and_says_nothing() -> None:
    with a_sandbox(faults=[{"reset": "after", "times": 1}]) as sandbox:
        with pytest.raises(requests.ConnectionError, match="reset"):
            post(sandbox)
        assert [event["times"] for event in sandbox.received] == [1]
        post(sandbox)
        assert [event["times"] for event in sandbox.received] == [2]


def test_a_truncated_body_ends_before_its_length() -> None:
    with a_sandbox(faults=[{"truncated": True}]) as sandbox:
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            post(sandbox)
        assert len(sandbox.received) == 1


def test_an_empty_body_has_no_byte() -> None:
    with a_sandbox(faults=[{"empty": True}]) as sandbox:
        answer = post(sandbox)
        assert (answer.status_code, answer.content, len(sandbox.received)) == (200, b"", 1)


def test_a_page_of_html_stands_for_a_captive_portal() -> None:
    with a_sandbox(faults=[{"html": True, "times": 1}, {"html": True, "status": 502}]) as sandbox:
        first, second = post(sandbox), post(sandbox)
        assert first.headers["Content-Type"].startswith("text/html")
        assert (first.status_code, second.status_code, sandbox.received) == (200, 502, [])


def test_what_was_received_behind_an_error_can_be_said() -> None:
    with a_sandbox(
        faults=[{"status": 503, "processed": True, "times": 1}, {"empty": True, "processed": False}]
    ) as sandbox:
        assert (post(sandbox).status_code, len(sandbox.received)) == (503, 1)
        sandbox.reset()
        sandbox.faults = [{"empty": True, "processed": False}]
        assert (post(sandbox).status_code, sandbox.received) == (200, [])


def test_a_wrong_count_is_in_reddits_message() -> None:
    with a_sandbox(faults=[{"wrong_count": 0}]) as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event()))
        assert answer.json()["data"]["message"] == "Successfully processed 0 conversion events."


def test_the_nth_event_is_refused_with_its_batch() -> None:
    with a_sandbox(faults=[{"refuse_event": 1}]) as sandbox:
        batch = [tiktok_event("a"), tiktok_event("b")]
        assert "data.1." in to_tiktok(sandbox, tiktok_body(*batch)).json()["message"]
        assert sandbox.received == []
        assert to_tiktok(sandbox, tiktok_body(*batch[:1])).json()["code"] == 0


def test_an_event_refused_in_silence_is_found_by_halving() -> None:
    ids = [f"evt-{n}" for n in range(8)]
    with a_sandbox(faults=[{"refuse_event_id": "evt-5", "silent": True}]) as sandbox:
        open_batches, refused = [ids], []
        while open_batches:
            batch = open_batches.pop()
            answer = to_tiktok(sandbox, tiktok_body(*map(tiktok_event, batch))).json()
            assert "data." not in answer["message"]
            if answer["code"] and len(batch) > 1:
                half = len(batch) // 2
                open_batches += [batch[:half], batch[half:]]
            elif answer["code"]:
                refused += batch
        assert refused == ["evt-5"]
        assert sorted(event["event_id"] for event in sandbox.received) == sorted({*ids} - {"evt-5"})


def test_a_refused_id_leaves_the_rules_after_it_to_other_requests() -> None:
    with a_sandbox(faults=[{"refuse_event_id": "other", "times": 1}, {"error": 40100}]) as sandbox:
        assert codes(sandbox, 1) == [40100]
        assert to_tiktok(sandbox, tiktok_body(tiktok_event("other"))).json()["code"] == 40002


def test_reddit_names_the_event_where_a_fault_lets_it() -> None:
    sent = reddit_body(reddit_event("a"), reddit_event("b", action_source="website"))
    with a_sandbox(faults=[{"silent": False, "times": 1}]) as sandbox:
        loud, usual = (to_reddit(sandbox, sent).json()["error"] for _ in range(2))
        assert loud["fields"][0]["field"] == "data.events[1].action_source"
        assert "fields" not in usual


def test_values_are_told_only_where_a_fault_says_echo() -> None:
    tiktok = tiktok_body(tiktok_event(user={"email": "ada@example.com"}))
    reddit = reddit_body(reddit_event(user={"email": "ada@example.com"}))
    with a_sandbox() as sandbox:
        usual = to_tiktok(sandbox, tiktok).text + to_reddit(sandbox, reddit).text
        sandbox.faults = [{"echo": True}]
        echoed = [to_tiktok(sandbox, tiktok).text, to_reddit(sandbox, reddit).text]
    assert "ada" not in usual
    assert all("ada@example.com" in text for text in echoed)


def test_a_redirect_points_where_it_is_told_to() -> None:
    with a_sandbox() as sandbox:
        answer = post(sandbox, header={"redirect": "https://example.com/", "status": 307})
        assert (answer.status_code, answer.headers["Location"]) == (307, "https://example.com/")
        assert post(sandbox, header={"redirect": "/"}).status_code == 302
        assert sandbox.received == []


def test_a_delay_outlasts_the_client_and_the_events_are_in_and_closing_does_not_wait() -> None:
    began = time.monotonic()
    with a_sandbox(faults=[{"delay_seconds": 2 * PATIENCE}]) as sandbox:
        with pytest.raises(requests.Timeout):
            post(sandbox, timeout=1)
        while not sandbox.received:  # the client may have been quicker
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.01)
        assert len(sandbox.received) == 1
    assert time.monotonic() - began < PATIENCE


def test_a_slow_drip_comes_byte_by_byte() -> None:
    with a_sandbox(faults=[{"drip_seconds_per_byte": 0.001}]) as sandbox:
        began = time.monotonic()
        answer = post(sandbox)
        assert answer.json()["code"] == 0
        assert time.monotonic() - began > 0.001 * len(answer.content)


def test_a_huge_body_is_as_long_as_it_is_told_to_be() -> None:
    with a_sandbox(faults=[{"body_bytes": 3_000_000}]) as sandbox:
        answer = post(sandbox)
        assert (len(answer.content), answer.json()["code"]) == (3_000_000, 0)


def test_a_gzip_bomb_is_small_on_the_wire() -> None:
    with a_sandbox() as sandbox:
        headers = {"Access-Token": "good", "X-Sandbox-Fault": json.dumps({"body_bytes": 5_000_000, "gzip": True})}
        sent = tiktok_body(tiktok_event())
        url = f"{sandbox.url}/open_api/v1.3/event/track/"
        with requests.post(url, json=sent, headers=headers, stream=True, timeout=60) as answer:
            raw = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(raw) < 50_000
    assert len(gzip.decompress(raw)) == 5_000_000


def test_a_reset_before_does_not_wait_for_the_body() -> None:
    with a_sandbox(faults=[{"reset": "before"}]) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(f"POST {endpoint('reddit')} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
            with pytest.raises(ConnectionResetError):
                client.recv(1)


@pytest.mark.parametrize("release", ["faults", "reset"])
def test_a_held_answer_waits_until_the_faults_are_replaced(release: str) -> None:
    answers: list[int] = []
    with a_sandbox(faults=[{"hold": True, "times": 1}]) as sandbox:
        client = threading.Thread(target=lambda: answers.append(post(sandbox).json()["code"]))
        client.start()
        while not sandbox.requests:
            time.sleep(0.01)
        post(sandbox)
        assert (answers, len(sandbox.received)) == ([], 1)
        if release == "faults":
            sandbox.faults = []
        else:
            sandbox.reset()
        client.join()
    assert answers == [0]


def test_a_sandbox_with_a_certificate_speaks_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with a_sandbox(tls=context) as sandbox:
        assert sandbox.url.startswith("https://")
        assert requests.get(f"{sandbox.url}/_stats", verify=str(trusted), timeout=60).json()["requests"] == 0
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{sandbox.url}/_stats", timeout=60)

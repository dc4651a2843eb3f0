"""Nothing more is sent about whoever was erased: in a run, in one that is under way, with a list, and with workers."""

from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import conftest
import pytest
from conftest import SETTINGS
from ledger_rows import rows
from run_target import Target, encoded, schema, state

from target_adpostbacks import deliver
from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.digests import digests, fingerprint
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.run.listed import from_file
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
def config(sandbox: Sandbox, ledger_url: str) -> dict[str, Any]:
    sections = {name: {**SETTINGS[name], "base_url": sandbox.url} for name in ("tiktok", "reddit")}
    return {**sections, "ledger_url": ledger_url, "erasure_key": KEY}


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def fresh(number: int, email: str | None = ADA, **changes: Any) -> dict[str, Any]:
    return conftest.fresh(number, **{"email": email, **changes})


def erase(config: dict[str, Any], value: str = ADA, kind: str = "email", key: str = KEY) -> int:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    with closing(Ledger(config["ledger_url"])) as ledger:
        return ledger.erasure.erase(digests(kind, value, key), fingerprint(key), now)


def ledger_rows(config: dict[str, Any], columns: str = "event_id, network, status, reason") -> list[Any]:
    return sorted(rows(config["ledger_url"], columns))


def received(sandbox: Sandbox) -> list[str]:
    return [event["event_id"] for event in sandbox.received]


def test_nothing_is_sent_about_whoever_was_erased_and_the_rest_is(config: dict[str, Any], sandbox: Sandbox) -> None:
    erase(config)
    both = {"network": None, "rdt_cid": "x"}
    tally = deliver([fresh(1, **both), fresh(2, GRACE, **both), fresh(3, None)], config)
    assert (tally.read, tally.accepted, tally.skipped, tally.open) == (3, 3, {"suppressed": 2}, {})
    assert sorted(received(sandbox)) == ["evt-2", "evt-2", "evt-3"]
    assert ledger_rows(config)[:2] == [
        ("evt-1", "reddit", "skipped", "suppressed"),
        ("evt-1", "tiktok", "skipped", "suppressed"),
    ]


@pytest.mark.parametrize(
    ("kind", "erased", "columns"),
    [
        ("email", "ADA@example.com", {"email": sha256(ADA.encode()).hexdigest()}),
        ("email", sha256(ADA.encode()).hexdigest(), {"email": " Ada@Example.com"}),
        ("email", ADA, {"email": [GRACE, ADA]}),
        ("email", ADA, {"email": f"{GRACE}; Ada@Example.com (home)"}),
        ("phone", "+1 (415) 555-0100", {"email": None, "phone": "14155550100"}),
        ("phone", "+49 176 1234567", {"phone": "0176 1234567"}),
        ("external_id", "User_7", {"external_id": "user_7"}),
        ("external_id", "\ufeffUser\u200b_7", {"external_id": "User_7"}),
    ],
)
def test_a_person_is_known_by_every_spelling(
    config: dict[str, Any], sandbox: Sandbox, kind: str, erased: str, columns: dict[str, Any]
) -> None:
    config["tiktok"]["default_phone_country_code"] = "49"
    erase(config, erased, kind)
    assert deliver([fresh(1, **{"email": GRACE, **columns})], config).skipped == {"suppressed": 1}
    assert received(sandbox) == []


def test_whoever_may_not_be_disclosed_is_known_all_the_same(config: dict[str, Any], sandbox: Sandbox) -> None:
    erase(config)
    config["tiktok"]["match_keys"] = ["ttclid"]
    assert deliver([fresh(1)], config).skipped == {"suppressed": 1}


def test_whom_a_rule_names_counts_and_whom_the_record_named(config: dict[str, Any], sandbox: Sandbox) -> None:
    erase(config)
    config["tiktok"]["rules"] = [{"when": "value == 1", "set": {"email": GRACE}}, {"set": {"email": ADA}}]
    assert deliver([fresh(1, value=1), fresh(2, GRACE, value=2)], config).skipped == {"suppressed": 2}


def test_who_has_not_consented_is_told_so_first(config: dict[str, Any]) -> None:
    erase(config)
    assert deliver([fresh(1, consent=False)], config).skipped == {"no_consent": 1}


def test_what_was_accepted_stays_so_and_is_left_out_when_it_comes_again(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    deliver([fresh(1)], config)
    erase(config)
    assert deliver([fresh(1)], config).skipped == {"suppressed": 1}
    assert (ledger_rows(config), received(sandbox)) == ([("evt-1", "tiktok", "accepted", "")], ["evt-1"])


def test_an_open_row_becomes_skipped_when_it_comes_again(config: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "tiktok", "status": 503}]
    config["max_attempts"] = 1
    assert deliver([fresh(1)], config).open == {"transient": 1}
    assert erase(config) == 0  # nothing says whose it is
    sandbox.faults = []
    assert deliver([fresh(1)], config).skipped == {"suppressed": 1}
    assert (ledger_rows(config), received(sandbox)) == ([("evt-1", "tiktok", "skipped", "suppressed")], [])


def test_with_the_index_an_open_row_becomes_skipped_at_once(config: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "tiktok", "status": 503}]
    config |= {"max_attempts": 1, "erasure_index": True}
    deliver([fresh(1), fresh(2, GRACE)], config)
    assert erase(config) == 1
    assert ledger_rows(config) == [
        ("evt-1", "tiktok", "skipped", "suppressed"),
        ("evt-2", "tiktok", "open", "transient"),
    ]


@pytest.mark.parametrize("index", [False, True])
def test_what_was_never_answered_stays_so_is_not_sent_again_and_holds_nothing_back(
    config: dict[str, Any], sandbox: Sandbox, index: bool
) -> None:
    sandbox.faults = [{"network": "tiktok", "reset": "after"}]
    config |= {"max_attempts": 1, "erasure_index": index}
    assert deliver([fresh(1)], config).open == {"no_answer": 1}
    assert erase(config) == 0
    sandbox.faults, before = [], len(sandbox.requests)
    tally = deliver([fresh(1)], config)
    assert (tally.open, tally.skipped) == ({}, {"suppressed": 1})
    assert ledger_rows(config) == [("evt-1", "tiktok", "open", "no_answer")]
    assert len(sandbox.requests) == before


def test_another_key_is_a_mistake_before_the_first_record(config: dict[str, Any], sandbox: Sandbox) -> None:
    erase(config)
    for key, message in ((OTHER_KEY, "not the one that"), (None, "erasure_key: missing, and people were erased")):
        with pytest.raises(InvalidConfig, match=message) as refused:
            deliver([fresh(1)], {**config, "erasure_key": key})
        assert str(key) not in str(refused.value)
    assert received(sandbox) == []
    assert deliver([fresh(2, GRACE)], config).accepted == 1


def test_another_key_is_no_mistake_while_nothing_is_made_with_the_first(config: dict[str, Any]) -> None:
    deliver([fresh(1)], config)
    assert deliver([fresh(2)], {**config, "erasure_key": OTHER_KEY}).accepted == 1
    assert deliver([fresh(3)], {**config, "erasure_key": None}).accepted == 1
    deliver([fresh(4)], {**config, "erasure_index": True})
    with pytest.raises(InvalidConfig, match="not the one"):
        deliver([fresh(5)], {**config, "erasure_key": OTHER_KEY})


def test_a_run_without_the_index_ends_what_is_known_of_everything(config: dict[str, Any]) -> None:
    known: list[str | None] = []
    for index in (True, False, True):
        deliver([fresh(len(known))], {**config, "erasure_index": index})
        with closing(Ledger(config["ledger_url"])) as ledger:
            known.append(ledger.erasure.kept().indexed_since)
    first, between, again = known
    assert between is None
    assert str(first) < str(again) != "None"


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"erasure_key": "x" * 31}, "erasure_key: shorter than 32 characters"),
        ({"erasure_key": None, "erasure_index": True}, "erasure_index: needs erasure_key"),
        ({"erasure_key": None, "suppress": "people.csv"}, "suppress: needs erasure_key"),
        ({"suppress": "nowhere.csv"}, "suppress: nowhere.csv: No such file"),
    ],
)
def test_what_erasure_needs_is_asked_for(config: dict[str, Any], changes: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig, match=mistake):
        deliver([fresh(1)], {**config, **changes})


LISTS = {
    "raw": "email\nAda@Example.com\n",
    "hashed": f"email\n{sha256(ADA.encode()).hexdigest()}\n",
    "several columns": f"external_id,email,phone\n,,\nx,{GRACE},+14155550100\n7,{ADA},\n",
    "excel": f"\ufeffE-Mail;email_address\r\nx;{ADA}\r\n",
    "quoted": f'"email","note"\r\n"{ADA}","a, b\nc"\r\n',
    "no value": f"email,phone\nnobody,\n{ADA},12\n",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=[*LISTS])
def test_a_list_holds_for_the_run_and_leaves_nothing_in_the_ledger(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "people.csv").write_text(text, newline="")
    config["suppress"] = str(tmp_path / "people.csv")
    tally = deliver([fresh(1), fresh(2, "else@example.com")], config)
    assert (tally.accepted, tally.skipped) == (1, {"suppressed": 1})
    del config["suppress"], config["erasure_key"]
    assert deliver([fresh(1)], config).accepted == 1
    with closing(Ledger(config["ledger_url"])) as ledger:
        assert ledger.erasure.kept().fingerprint == ""


@pytest.mark.parametrize(("column", "value"), [("email", "Ada@example.com"), ("phone", "+1 415 555 0100")])
def test_an_address_or_a_number_that_serves_as_an_id_is_known(
    config: dict[str, Any], tmp_path: Path, column: str, value: str
) -> None:
    (tmp_path / "people.csv").write_text(f"{column}\n{value}\n")
    config["suppress"] = str(tmp_path / "people.csv")
    spellings = (value, value.lower(), digest_of(value.lower().replace(" ", "")))
    ids = [fresh(n, None, external_id=spelling) for n, spelling in enumerate(spellings)]
    assert deliver([*ids, fresh(4, None, external_id="4711")], config).skipped == {"suppressed": 3}


def test_a_list_is_read_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email\n" + "".join(f"ada.{n}@example.com\n" for n in range(20_000)))
    tracemalloc.start()
    try:
        assert sum(1 for each in from_file(str(tmp_path / "people.csv")) if each.forms) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_values_of_a_list_that_are_none_are_told_without_them(
    config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "people.csv").write_text("email,phone\nnobody,\n,\nada@example.com,12\n")
    deliver([], {**config, "suppress": str(tmp_path / "people.csv")})
    (told,) = [line for line in caplog.messages if line.startswith("suppress")]
    assert told == "suppress: line 2: no usable email; 2 such values stand for nobody."


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"", "its first line is no header"),
        (b"ada@example.com\n", "its first line is no header"),
        (b"email\n\xff\xfe\n", "not text in UTF-8"),
        (b'email\n"' + b"x" * 200_000, "not CSV"),
        (b'name,email\n"Ada,ada@example.com\nGrace,grace@example.com\n', "line 3: not CSV"),
    ],
)
def test_a_list_that_cannot_be_read_ends_the_run_before_it_begins(
    config: dict[str, Any], sandbox: Sandbox, tmp_path: Path, content: bytes, mistake: str
) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(InvalidConfig, match=mistake) as refused:
        deliver([fresh(1, GRACE)], {**config, "suppress": str(tmp_path / "people.csv")})
    assert "ada@example.com" not in str(refused.value)
    assert received(sandbox) == []


def test_whoever_is_erased_while_a_run_is_under_way_is_not_sent(config: dict[str, Any], sandbox: Sandbox) -> None:
    config["max_batch_age_seconds"] = 3600

    def records() -> Iterator[dict[str, Any]]:
        yield fresh(1)
        yield fresh(2, GRACE)
        erase(config)

    tally = deliver(records(), config)
    assert (tally.accepted, tally.skipped, received(sandbox)) == (1, {"suppressed": 1}, ["evt-2"])
    assert ledger_rows(config)[0] == ("evt-1", "tiktok", "skipped", "suppressed")


def test_workers_find_whom_nothing_is_sent_about(config: dict[str, Any], sandbox: Sandbox) -> None:
    erase(config)
    config |= {"workers": 1, "max_batch_age_seconds": 0}
    count = 6_000
    tally = deliver((fresh(n, ADA if n % 2 else GRACE) for n in range(count)), config)
    assert (tally.accepted, tally.skipped) == (count // 2, {"suppressed": count // 2})
    assert {int(event_id[4:]) % 2 for event_id in received(sandbox)} == {0}


def test_batch_files_leave_them_out_too(config: dict[str, Any], sandbox: Sandbox, tmp_path: Path) -> None:
    erase(config)
    file = tmp_path / "batch.jsonl"
    file.write_bytes(encoded(fresh(1)) + encoded(fresh(2, GRACE)))
    batch = {"type": "BATCH", "stream": "conversions", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    ran = Target(tmp_path, sandbox.url, **config).run([schema(), batch, state(2)])
    assert (ran.code, ran.states, received(sandbox)) == (0, [2], ["evt-2"])
    assert "skipped 1 (suppressed 1)" in ran.summary


def test_without_a_key_nobody_is_looked_for(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    del config["erasure_key"]
    assert deliver([fresh(1)], config).accepted == 1
    for table in ("erasure", "erasure_index", "erasure_suppressions"):
        assert rows(config["ledger_url"], "*", table) == []
    assert json.dumps(caplog.messages).count("eras") == 0

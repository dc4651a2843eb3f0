"""adpostbacks erase: who is named, what becomes of them, and the document; and never a value of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS, a_record
from ledger_rows import NOW, a_row, rows

from target_adpostbacks import deliver
from target_adpostbacks.cli import main
from target_adpostbacks.core.digests import digests, fingerprint, keyed
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.run.listed import given
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

KEY = "0123456789abcdef0123456789abcdef"
VARIABLE = "TARGET_ADPOSTBACKS_ERASURE_KEY"
ADA, GRACE = "ada.canary@example.com", "grace.canary@example.com"
SENT = "2026-11-20T12:05:00.000+00:00"


def run(url: str, *arguments: str, stdin: str | bytes = "", key: str | None = KEY) -> Result:
    """The command; what it says holds nothing of whoever it is about."""
    ran = CliRunner().invoke(main, ["erase", "--ledger-url", url, *arguments], input=stdin, env={VARIABLE: key})
    shown = (ran.output + str(ran.exception)).lower()
    assert not any(part in shown for part in ("canary", "4155550100", "415 555", "user_7", KEY))
    return ran


@pytest.fixture
def url(ledger_url: str) -> str:
    """A ledger in which Ada has deliveries of every kind, and Grace one."""
    with closing(Ledger(ledger_url, "run-1")) as ledger:
        ledger.erasure.index_from(NOW, fingerprint(KEY))
        of = {ADA: digests("email", ADA, KEY), GRACE: digests("email", GRACE, KEY)}
        waiting: dict[str, Any] = {"status": "open", "reason": "transient", "sent_at": None, "attempt_id": None}
        for row, who in (
            (a_row("evt-1"), ADA),
            (a_row("evt-2", "rejected", network="reddit", asset="t2_a", sent_at=NOW, match_keys="", value=None), ADA),
            (a_row("evt-3", "open", reason="no_answer", code=""), ADA),
            (a_row("evt-4", **waiting), ADA),
            (a_row("evt-5"), GRACE),
        ):
            ledger.write(NOW, [row], people={row.key: of[who]})
    return ledger_url


def named(kind: str, value: str) -> set[str]:
    """The digests of a person who was named like that: an address or a number may be an external id, too."""
    return {keyed(form, KEY) for form in given(1, kind, value).forms}


def suppressed(url: str) -> set[str]:
    return {digest for (digest,) in rows(url, "digest", "erasure_suppressions")}


def test_the_document_says_who_was_told_what_and_whom_to_ask(url: str) -> None:
    ran = run(url, "-", "--format", "json", stdin=f"email {ADA}\n")
    assert ran.exit_code == 0, ran.output
    made = json.loads(ran.stdout)
    assert (made["given"], made["left_out"], made["indexed_since"]) == ({"email": 1}, 1, NOW)
    assert [(each["event_id"], each["network"], each["sent_at"], each["outcome"]) for each in made["told"]] == [
        ("evt-1", "tiktok", SENT, "accepted"),
        ("evt-3", "tiktok", SENT, "may_have_it"),
        ("evt-2", "reddit", NOW, "rejected"),
    ]
    assert (made["told"][0]["match_keys"], made["told"][0]["value"]) == (["ttclid", "email"], 19.99)
    assert [(each["network"], each["conversions"], each["first"]) for each in made["recipients"]] == [
        ("reddit", 1, NOW),
        ("tiktok", 2, SENT),
    ]
    assert [each["contact"].split("/")[-1] for each in made["recipients"]] == [
        "data_deletion_jobs",
        "docs?id=1771101303285761",
    ]
    assert suppressed(url) == named("email", ADA)
    assert ("evt-4", "skipped", "suppressed") in rows(url, "event_id, status, reason")
    assert ("evt-3", "open", "no_answer") in rows(url, "event_id, status, reason")


def test_what_was_refused_stays_refused_in_the_document_when_it_comes_again(url: str) -> None:
    run(url, "-", stdin=f"email {ADA}\n")
    with closing(Ledger(url, "run-2")) as ledger:
        again: dict[str, Any] = {"reason": "suppressed", "sent_at": None, "attempt_id": None}
        ledger.write(NOW, [a_row("evt-2", "skipped", network="reddit", asset="t2_a", **again)])
    assert ("evt-2", "skipped", "suppressed") in rows(url, "event_id, status, reason")
    made = json.loads(run(url, "-", "--format", "json", stdin=f"email {ADA}\n").stdout)
    assert {each["event_id"]: each["outcome"] for each in made["told"]}["evt-2"] == "rejected"


def test_the_table_is_the_same_for_people(url: str) -> None:
    text = run(url, "-", stdin=f"email {ADA}\n").stdout
    for said in (
        "Nothing more is sent about whoever was given: 1 email.",
        "1 conversion that waited to be sent: left out.",
        "2026-11-20 12:05:00 UTC  tiktok.default  purchase  evt-1     19.99 USD  ttclid, email  1      the network",
        "sent, without a final answer: the network may have it",
        "Whom to ask for deletion:",
        "POST https://ads-api.reddit.com/api/v3/pixels/{pixel_id}/data_deletion_jobs",
        "Were sent conversions before 2026-11-20 12:06:00 UTC, which may be about them too:",
    ):
        assert said in text, said
    assert "evt-5" not in text
    assert "evt-4" not in text


def test_a_second_time_says_the_same_and_changes_nothing(url: str) -> None:
    first, again = (json.loads(run(url, "-", "--format", "json", stdin=ADA).stdout) for _ in range(2))
    assert (first["told"], again["left_out"]) == (again["told"], 0)
    assert suppressed(url) == named("email", ADA)


def test_without_an_index_it_names_every_account_that_was_sent_something(ledger_url: str) -> None:
    with closing(Ledger(ledger_url, "run-1")) as ledger:
        ledger.write(NOW, [a_row("evt-1"), a_row("evt-2", network="generic", account="partner", asset="partner")])
    made = json.loads(run(ledger_url, "--email", ADA, "--format", "json").stdout)
    assert (made["indexed_since"], made["told"], made["recipients"]) == (None, [], [])
    assert [(each["network"], each["conversions"]) for each in made["before_the_index"]] == [
        ("generic", 1),
        ("tiktok", 1),
    ]
    text = run(ledger_url, "--email", ADA).stdout
    assert "without `erasure_index: true` the ledger keeps no index" in text
    assert "the partner itself" in text


HASHED = sha256(ADA.encode()).hexdigest()
EVERYONE = {
    "words": "email Ada.Canary@Example.com\nphone +1 (415) 555-0100\nexternal_id User_7\n",
    "other words": "Email: ada.canary@example.com\r\n\r\nMOBILE=+14155550100\r\nexternal-id\tUser_7\r\n",
    "alone": "ada.canary@example.com\n+1 415 555 0100\nexternal_id User_7",
    "hashed": f"email {HASHED}\nphone +14155550100\nexternal_id User_7",
    "csv": f"email,phone,external_id\n{ADA},,User_7\n,+14155550100,\n",
    "csv of a spreadsheet": f"\ufeffPhone;E-Mail;Email;External_ID\n+14155550100;x;{ADA};User_7\n",
}


@pytest.mark.parametrize("text", EVERYONE.values(), ids=[*EVERYONE])
def test_people_are_named_in_the_ways_that_come_to_hand(url: str, text: str) -> None:
    ran = run(url, "-", "--format", "json", stdin=text)
    assert ran.exit_code == 0, ran.output
    given = [("email", HASHED if HASHED in text else ADA), ("phone", "+14155550100"), ("external_id", "User_7")]
    assert suppressed(url) == set().union(*(named(kind, value) for kind, value in given))
    assert json.loads(ran.stdout)["given"] == {"email": 1, "phone": 1, "external_id": 1}


def test_options_name_people_too(url: str) -> None:
    ran = run(
        url, "--email", GRACE, "--email", ADA, "--phone", "+14155550100", "--external-id", "User_7", "--format", "json"
    )
    told = json.loads(ran.stdout)["told"]
    assert {each["event_id"]: each["given"] for each in told} == {
        "evt-1": [2],
        "evt-2": [2],
        "evt-3": [2],
        "evt-5": [1],
    }


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        ("email canary\n", "line 1: no usable email"),
        (f"{ADA}\nphone 12\n", "line 2: no usable phone"),
        (f"{ADA}\n4711canary\n", "line 2: of which kind is it?"),
        (f"email {ADA}\nexternal_id null\n", "line 2: no usable external_id"),
        (f"email\n{ADA}\ncanary\n", "line 3: no usable email"),
        ("\n".join(["canary"] * 12), "and 2 more"),
        (b"\xff\xfecanary", "standard input is not text in UTF-8"),
        (f'email\n{ADA}\n"' + "x" * 200_000, "not CSV"),
        ("", "standard input is empty"),
        ("email\n", "standard input is empty"),
        (f"email,{ADA}\n", "line 1: no usable email"),
    ],
)
def test_where_a_line_cannot_be_read_nobody_is_erased(url: str, stdin: str | bytes, told: str) -> None:
    ran = run(url, "-", stdin=stdin)
    assert ran.exit_code in (1, 2)
    assert told in ran.output
    assert "nobody was erased" in ran.output
    assert suppressed(url) == set()


@pytest.mark.parametrize(
    "arguments", [[], [ADA], ["-", ADA], ["-", "--email", ADA], ["--phone", "canary"], ["--email", ""]]
)
def test_wrong_usage_is_told_without_what_was_written(url: str, arguments: list[str]) -> None:
    assert run(url, *arguments).exit_code == 2
    assert suppressed(url) == set()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "erasure_key: missing; set it in the config"),
        (" ", "erasure_key: missing"),
        ("x" * 31, "erasure_key: shorter than 32 characters"),
        ("y" * 32, "erasure_key: not the one that this ledger's digests are made with"),
    ],
)
def test_the_key_is_asked_for(url: str, key: str | None, told: str) -> None:
    ran = run(url, "-", stdin=ADA, key=key)
    assert (ran.exit_code, suppressed(url)) == (1, set())
    assert told in ran.output
    assert str(key).strip() == "" or str(key) not in ran.output


def test_the_key_and_country_codes_may_stand_in_the_config(url: str, tmp_path: Path) -> None:
    config: dict[str, Any] = {"erasure_key": KEY, "ledger_url": url, "meta": {"accounts": {"eu": {}}}}
    config["meta"]["accounts"]["eu"]["default_phone_country_code"] = 49
    (tmp_path / "config.json").write_text(json.dumps(config))
    ran = CliRunner().invoke(
        main, ["erase", "-", "--config", str(tmp_path / "config.json")], input="phone 0176 1234567"
    )
    assert ran.exit_code == 0, ran.output
    assert suppressed(url) >= {*digests("phone", "+49 176 1234567", KEY)}
    assert "country code" not in ran.stderr


def test_a_phone_number_without_a_country_code_is_told(url: str) -> None:
    ran = run(url, "-", stdin=f"{ADA}\nphone 0176 1234567")
    assert ran.exit_code == 0
    assert ran.stderr.startswith("2: a phone number without its country code is known only where records lack it too")


@pytest.mark.parametrize("index", [False, True])
def test_the_first_erasure_tells_of_a_run_that_is_under_way_and_may_know_nothing_of_it(
    ledger_url: str, sandbox: Sandbox, *, index: bool
) -> None:
    config: dict[str, Any] = {"tiktok": {**SETTINGS["tiktok"], "base_url": sandbox.url}, "ledger_url": ledger_url}
    told: list[str] = []

    def records() -> Iterator[dict[str, Any]]:
        now = datetime.now(timezone.utc).isoformat()
        yield a_record(event_id="evt-1", event_time=now, email=ADA)
        told.append(run(ledger_url, "-", stdin=ADA).stderr)
        told.append(run(ledger_url, "-", stdin=GRACE).stderr)

    with closing(Ledger(ledger_url, "run-0")) as ledger:
        if index:
            ledger.erasure.index_from(NOW, fingerprint(KEY))
    assert deliver(records(), config).accepted == 1  # it has no key
    first, second = told
    assert re.fullmatch(
        r"A run that began at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC has not ended, .*again after its end.*\n", first
    )
    assert second == ""  # no run without a key begins any more
    again = run(ledger_url, "-", "--format", "json", stdin=ADA)
    assert [each["conversions"] for each in json.loads(again.stdout)["before_the_index"]] == [1]
    assert again.stderr == ""


def test_after_runs_that_have_ended_the_first_erasure_tells_of_none(ledger_url: str, sandbox: Sandbox) -> None:
    deliver([], {"tiktok": {**SETTINGS["tiktok"], "base_url": sandbox.url}, "ledger_url": ledger_url})
    assert run(ledger_url, "-", stdin=ADA).stderr == ""


def test_a_ledger_is_not_made(tmp_path: Path) -> None:
    ran = run(f"sqlite:///{tmp_path}/nowhere.db", "-", stdin=ADA)
    assert ran.exit_code == 1
    assert "no ledger at" in ran.output
    assert [*tmp_path.iterdir()] == []

"""What is personal and goes out unhashed is shown by its column's name, wherever a network puts it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import COLUMNS, NOW, a_conversion, an_account

from target_adpostbacks.core.masking import masked, without_query
from target_adpostbacks.core.postback import prepare

sys.path.append(str(Path(__file__).parent.parent / "networks"))
from subject import PERSONAL, Subject, every_source, leaves


def folded(value: Any) -> str:
    return "".join(filter(str.isalnum, str(value).lower()))


@every_source
def test_no_personal_value_is_left_and_everything_else_is(subject: Subject, source: str) -> None:
    conversion = subject.full_conversion(source)
    payload = prepare(subject.account, conversion, NOW).payload
    before = leaves(msgspec.json.decode(payload))
    after = leaves(masked(subject.account, conversion, NOW, payload))
    assert before.keys() == after.keys()
    for path, leaf in after.items():
        for column, value in {**PERSONAL, "click": "click-1"}.items():
            assert len(folded(value)) < 4 or folded(value) not in folded(leaf), (path, column)
        assert leaf == before[path] or re.fullmatch(r"<\w+>", str(leaf)), path
    hashes = [path for path, leaf in before.items() if re.fullmatch(r"[0-9a-f]{64}", str(leaf))]
    assert all(after[path] == before[path] for path in hashes)


def test_each_is_named_by_its_column() -> None:
    conversion = a_conversion(ip_address="203.0.113.9", user_agent="UA", city="Köln", state="Kalifornien", ttclid="x")
    account = an_account()
    user = masked(account, conversion, NOW, prepare(account, conversion, NOW).payload)["user"]
    shown = {key: user[key] for key in ("ip", "user_agent", "city", "state", "ttclid")}
    assert shown == {
        "ip": "<ip>",
        "user_agent": "<user_agent>",
        "city": "<city>",
        "state": "<state>",
        "ttclid": "<ttclid>",
    }


@pytest.mark.parametrize("name", ["Å", "王", "Li", "Иванов"])
def test_a_name_is_hidden_however_short_and_in_whatever_script(name: str) -> None:
    conversion = a_conversion(network="linkedin", first_name=name, last_name=name)
    account = an_account("linkedin")
    shown = masked(account, conversion, NOW, prepare(account, conversion, NOW).payload)
    assert {*shown["user"]["userInfo"].values()} <= {"<first_name>", "<last_name>"}


def test_what_stands_behind_the_path_of_a_url_is_not_shown() -> None:
    assert without_query("https://a.example/b?email=ada@example.com#t") == "https://a.example/b?<query>#<fragment>"
    assert without_query("https://ada:secret@a.example/b") == "https://a.example/b"
    assert without_query("https://[broken") == "<url>"
    conversion = a_conversion(event_source_url="https://a.example/b?email=ada@example.com")
    account = an_account()
    page = masked(account, conversion, NOW, prepare(account, conversion, NOW).payload)["page"]
    assert page == {"url": "https://a.example/b?<query>"}


def test_a_text_that_holds_a_value_of_the_person_is_hidden_wherever_it_stands() -> None:
    mail = "canary.person@example.com"
    conversion = a_conversion(
        email=mail,
        first_name="Canaryfirst",
        order_id=mail,
        description=f"for Canaryfirst, {mail}",
        contents=[{"id": "sku-1", "name": "Canaryfirst's mug"}],
        event_source_url=f"https://a.example/u/{mail}/x?y=1",
        event_source="web",
    )
    account = an_account()
    shown = msgspec.json.encode(masked(account, conversion, NOW, prepare(account, conversion, NOW).payload)).decode()
    assert "anaryfirst" not in shown
    assert "canary.person" not in shown
    assert '"url":"https://a.example/<email>?<query>"' in shown
    assert "sku-1" in shown


def test_a_property_that_is_a_match_key_is_hidden() -> None:
    account = an_account(tiktok_app_id="7012345678901234567")
    conversion = a_conversion(
        event_source="app", app_id="343200656", properties={"ad": {"callback": "CALLBACK", "campaign_id": "17"}}
    )
    shown = masked(account, conversion, NOW, prepare(account, conversion, NOW).payload)["ad"]
    assert shown["callback"] == "<callback>"


def test_a_property_with_the_name_of_a_click_id_is_hidden() -> None:
    account = an_account()
    conversion = a_conversion(properties={"fbc": "fb.1.1.x", "TwClid": "17", "plan": "gold"})
    payload = prepare(account, conversion, NOW).payload
    shown = masked(account, conversion, NOW, payload, COLUMNS.ids)["properties"]
    assert {name: shown[name] for name in ("TwClid", "plan")} == {"TwClid": "<TwClid>", "plan": "gold"}
    assert shown.get("fbc") in (None, "<fbc>")

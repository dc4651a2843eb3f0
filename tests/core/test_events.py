"""Event names: canonical ones, their aliases, and names of one's own."""

from __future__ import annotations

import pytest
from conftest import a_conversion

from target_adpostbacks.core.events import ALIASES, CANONICAL, ByEvent


@pytest.mark.parametrize("name", ALIASES)
def test_a_canonical_name_is_told_by_any_spelling_of_it(name: str) -> None:
    spellings = {name, name.upper(), name.replace("_", " "), name.title().replace("_", ""), name.replace("_", "-")}
    assert {a_conversion(event_name=spelling).event_name for spelling in spellings} == {name}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *(("signup", "sign_up"), ("register", "sign_up"), ("initiate_checkout", "begin_checkout")),
        *(("add_to_wishlist", "wishlist_add"), ("view_item", "view_content"), ("completepayment", "purchase")),
        *(("complete_payment", "purchase"), ("order_completed", "purchase"), ("Order Completed", "purchase")),
        *(("Payment Info Entered", "add_payment_info"), ("Product Added to Wishlist", "wishlist_add")),
        *(("Application Installed", "install"), ("first_open", "install"), ("Application Opened", "session_start")),
        *(("Signed Up", "sign_up"), ("INITIATE_PURCHASE", "begin_checkout")),
    ],
)
def test_an_alias_is_folded_and_its_spelling_is_kept(alias: str, name: str) -> None:
    conversion = a_conversion(event_name=alias)
    assert (conversion.event_name, conversion.event_spelling) == (name, alias)


@pytest.mark.parametrize("name", ["VIP upgrade", "Level-Up 3", "購入"])
def test_any_other_name_is_a_custom_event_and_keeps_its_spelling(name: str) -> None:
    assert a_conversion(event_name=name).event_name == name


def test_no_alias_has_two_meanings() -> None:
    assert len(CANONICAL) == sum(len({name, *aliases.split()}) for name, aliases in ALIASES.items())


@pytest.mark.parametrize(
    ("event", "value"),
    [
        *(("purchase", "1"), ("Purchase", "1"), ("order_completed", "1"), ("VIP upgrade", "2"), ("vip UPGRADE", "2")),
        *(("register", "3"), ("signup", "4"), ("Sign Up", "3"), ("lead", None)),
    ],
)
def test_what_a_setting_names_for_an_event_is_found_by_any_spelling_the_settings_own_first(
    event: str, value: str | None
) -> None:
    assert ByEvent({"Purchase": "other", "purchase": "own"}).get("PURCHASE") == "own"
    assert ByEvent({"purchase": "own", "Purchase": "other"}).get("Purchase") == "other"
    assert ByEvent({" Purchase ": "1", "VIP upgrade": "2", "sign_up": "3", "signup": "4"}).get(event) == value

"""Canonical event names and their aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from target_adpostbacks.core.memo import remembered

ALIASES = {
    "purchase": "completepayment ordercompleted orderplaced placedorder completedorder transaction sale",
    "game_launch": "gamelaunch launchapp",
    "install": "appinstall installapp applicationinstalled firstopen",
    "session_start": "sessionstart appopen openapp applicationopened",
    "sign_up": "signup signedup register registration completeregistration",
    "lead": "generatelead submitform",
    "email_acquired": "emailacquired emailcaptured",
    "add_to_cart": "addtocart addedtocart productadded",
    "wishlist_add": "wishlistadd addtowishlist productaddedtowishlist",
    "wishlist_remove": "wishlistremove removefromwishlist",
    "begin_checkout": "begincheckout initiatecheckout initiatedcheckout initiatepurchase checkoutstarted startcheckout",
    "add_payment_info": "addpaymentinfo addedpaymentinfo paymentinfoentered addbilling",
    "view_content": "viewcontent viewitem productviewed",
    "search": "productssearched",
    "start_trial": "starttrial trialstarted",
    "subscribe": "subscription",
    "contact": "",
    "download": "",
    "schedule": "",
    "submit_application": "submitapplication",
    "level_achieved": "levelachieved achievelevel levelup",
    "tutorial_complete": "tutorialcomplete completetutorial tutorialcompleted",
    "ad_click": "adclick inappadclick",
    "ad_impression": "adimpression inappadimpr",
    "page_view": "pageview pagevisit",
}
"""Canonical event names, each with its aliases written without case, spaces and punctuation."""


CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases.split())}


@remembered(maxsize=10_000)
def canonical_event(name: str) -> str:
    """``'Add To Cart'`` -> ``'add_to_cart'``; a name that is no alias is a custom event and keeps its spelling."""
    folded = name.lower()
    return CANONICAL.get(folded) or CANONICAL.get("".join(filter(str.isalnum, folded)), name)


def spellings(events: Iterable[str]) -> frozenset[str]:
    """The names, and the canonical ones of aliases."""
    return frozenset(name for event in events for name in (event, canonical_event(event)))


class ByEvent:
    """What a setting names for events, found by an event's name however the setting or a record spells it."""

    def __init__(self, named: Mapping[str, str]) -> None:
        exact = {event.strip(): value for event, value in named.items()}  # the setting's own words
        self._named = {canonical_event(event).casefold(): value for event, value in exact.items()}
        self._named |= {event.casefold(): value for event, value in exact.items()}
        self._named |= exact

    def get(self, event: str) -> str | None:
        """First by this spelling, then in whatever case, then by the canonical name."""
        canonical = canonical_event(event)
        for name in (event, event.casefold(), canonical, canonical.casefold()):
            if named := self._named.get(name):
                return named
        return None


class EventTable(NamedTuple):
    """The events of one network as a preset names them, by their canonical names."""

    on: Mapping[str, str]
    off: Mapping[str, str] = {}  # known, but off
    others: bool = False  # whether any other event is a custom one under its own name; else it is off

    def look_up(self, event: str, spelling: str) -> tuple[bool, str | None]:
        """Whether an event is on, and the network's name for it; None where the table knows none."""
        if event in self.on:
            return True, self.on[event]
        if spelling in self.on.values():
            return True, spelling
        if event in self.off:
            return False, self.off[event]
        if spelling in self.off.values():
            return False, spelling
        return self.others, spelling if self.others else None

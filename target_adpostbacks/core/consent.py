"""Whether a person's consent lets a conversion go to a network, and how far."""

from __future__ import annotations

from typing import Any

import msgspec

from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Network

CONSENT_SIGNALS = ("ad_user_data", "ad_personalization", "ad_storage")


def consented(c: Conversion, network: Network[Any]) -> Conversion:
    """The conversion, its use limited where Global Privacy Control asks for that; raises Skip("no_consent")."""
    if c.consent is False:
        raise Skip("no_consent")
    if False in (c.ad_user_data, c.ad_personalization, c.ad_storage):
        denied = {signal for signal in CONSENT_SIGNALS if getattr(c, signal) is False}
        if not denied <= network.takes_denied:
            raise Skip("no_consent", "an ad consent signal is denied")
    if network.denials and (denial := next((flag for flag in network.denials if getattr(c, flag)), None)):
        raise Skip("no_consent", f"{denial} is true, and the network has no field for it")
    if network.settings.consent_required and not c.consent:
        if not network.consent_signals:
            raise Skip("no_consent", "consent_required: consent is not true")
        if not c.ad_user_data:
            raise Skip("no_consent", "consent_required: neither consent nor ad_user_data is true")
    if not c.gpc:
        return c
    if not network.limits_data_use(c):
        raise Skip("no_consent", f"gpc is true, and the network takes no limited_data_use of {c.event_source} events")
    return msgspec.structs.replace(c, limited_data_use=True)

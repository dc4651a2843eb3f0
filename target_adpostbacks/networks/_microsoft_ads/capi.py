"""The UET Conversions API: events of the web, of apps and of a CRM, to a UET tag.

https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones
from target_adpostbacks.core.answers import JSON, Flow, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.conversion import Conversion, Item
from target_adpostbacks.core.network import Limits
from target_adpostbacks.core.payloads import as_integer, as_number, as_text, prune
from target_adpostbacks.networks._microsoft_ads import person
from target_adpostbacks.networks._microsoft_ads.settings import MicrosoftAdsSettings

URL = "https://capi.uet.microsoft.com/v1/{uet_tag_id}/events"
LIMITS = Limits(events=1000, bytes=1_000_000)  # bytes: not documented
PAGE_LOAD = "pageLoad"
PAGE_TYPES: Mapping[str, str] = {
    "page_view": "other",
    "purchase": "purchase",
    "add_to_cart": "cart",
    "wishlist_add": "product",
    "begin_checkout": "cart",
    "add_payment_info": "cart",
    "view_content": "product",
    "search": "searchresults",
}
"""What the page of a canonical event is to dynamic remarketing."""
WITH_A_TOTAL = frozenset({"cart", "purchase"})
KEPT_IF_DENIED = ("external_id", "anonymous_id", "user_agent")
"""Of whom ad storage is denied, columns that are told all the same."""
MATCH_RULE = "msclkid, email, phone, external_id, anonymous_id or advertising_id"

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_DATE = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])").fullmatch


def consent(c: Conversion, settings: MicrosoftAdsSettings) -> str | None:
    """``'G'`` granted, ``'D'`` denied; None: nothing is told, which Microsoft takes for granted."""
    if c.ad_storage is False or c.limited_data_use or c.opt_out:
        return "D"
    return "G" if c.ad_storage else settings.ad_storage_consent


def payload(c: Conversion, settings: MicrosoftAdsSettings, event: str, click_id: str | None) -> dict[str, JSON]:
    """May raise Skip. A denied conversion comes here with what may be told of it alone."""
    storage = consent(c, settings)
    is_page_load = event == PAGE_LOAD
    if is_page_load and not c.event_source_url:
        raise Skip("unsupported", "a page load needs event_source_url; map the column")
    payload: dict[str, JSON] = {"eventType": PAGE_LOAD if is_page_load else "custom", "eventId": c.event_id}
    if not is_page_load:
        payload["eventName"] = event
    payload["eventTime"] = int(c.event_time.timestamp())
    if c.event_source_url:
        payload["eventSourceUrl"] = c.event_source_url
    if c.referrer_url:
        payload["referrerUrl"] = c.referrer_url
    if c.properties:
        payload |= _page(c.properties)
    if storage:
        payload["adStorageConsent"] = storage
    payload["userData"] = _user_data(c, settings, click_id, denied=storage == "D")
    if custom_data := _custom_data(c):
        payload["customData"] = custom_data
    return payload


def _page(properties: Mapping[str, JSON]) -> dict[str, JSON]:
    page_load_id = (as_text(properties.get("page_load_id")) or "").lower()
    return prune(
        {
            "pageTitle": as_text(properties.get("page_title")),
            "keywords": as_text(properties.get("keywords")),
            "pageLoadId": page_load_id if _UUID4(page_load_id) else None,
        }
    )


def _user_data(c: Conversion, settings: MicrosoftAdsSettings, click_id: str | None, *, denied: bool) -> dict[str, JSON]:
    user: dict[str, JSON] = {}
    if click_id:
        user["msclkid"] = click_id
    if c.email and (digest := keys.first_hashed(c.email, person.email)):
        user["em"] = digest
    if c.phone and (digest := keys.first_hashed(c.phone, phones.e164, settings.country_codes(c.country))):
        user["ph"] = digest
    if idfa := _idfa(c):
        user["idfa"] = idfa
    if (raw := mobile.gaid(c)) and (gaid := keys.advertising_id(raw)):
        user["gaid"] = gaid
    if c.external_id and (external_id := person.external_id(c)):
        user["externalId"] = external_id
    if anonymous_id := c.ids.get("anonymous_id"):
        user["anonymousId"] = anonymous_id
    if not user:
        raise Skip("no_match_key", "needed: external_id or anonymous_id" if denied else f"needed: {MATCH_RULE}")
    if c.user_agent:
        user["clientUserAgent"] = c.user_agent
    if c.ip_address and (address := keys.public_ip(c.ip_address)):
        user["clientIpAddress"] = address
    return user


def _idfa(c: Conversion) -> str | None:
    raw = mobile.idfa(c)
    if not raw or (c.att_status or "").lower() in mobile.REFUSED:
        return None
    return keys.advertising_id(raw)


def _custom_data(c: Conversion) -> dict[str, JSON]:
    page_type = PAGE_TYPES.get(c.event_name)
    data: dict[str, JSON] = {}
    if c.order_id:
        data["transactionId"] = c.order_id
    if c.value is not None:
        data["value"] = c.value
    if c.currency:
        data["currency"] = c.currency
    if c.properties:
        data |= _event_facts(c.properties)
    if c.search_query:
        data["searchTerm"] = c.search_query
    if page_type:
        data["pageType"] = page_type
    if c.value is not None and page_type in WITH_A_TOTAL:
        data["ecommTotalValue"] = c.value
    if c.contents:
        data |= _items(c.contents)
    if c.properties and (hotel := _hotel_data(c)):
        data["hotelData"] = hotel
    return data


def _event_facts(properties: Mapping[str, JSON]) -> dict[str, JSON]:
    return prune(
        {
            "eventCategory": as_text(properties.get("event_category")),
            "eventLabel": as_text(properties.get("event_label")),
            "eventValue": as_number(properties.get("event_value")),
        }
    )


def _items(contents: Sequence[Item]) -> dict[str, JSON]:
    items = [item for item in contents if item.id]
    return prune(
        {
            "ecommCategory": contents[0].category,
            "itemIds": [item.id for item in items],
            "items": [
                prune({"id": item.id, "name": item.name, "price": item.price, "quantity": item.quantity})
                for item in items
            ],
        }
    )


def _hotel_data(c: Conversion) -> dict[str, JSON]:
    fact = c.properties.get
    return prune(
        {
            "totalPrice": as_number(fact("hotel_total_price")),
            "basePrice": as_number(fact("hotel_base_price")),
            "checkInDate": _date(fact("hotel_check_in_date")),
            "checkOutDate": _date(fact("hotel_check_out_date")),
            "lengthOfStay": as_integer(fact("hotel_length_of_stay")),
            "partnerHotelId": as_text(fact("hotel_partner_hotel_id")),
            "bookingHref": as_text(fact("hotel_booking_href")),
        }
    )


def _date(value: JSON) -> str | None:
    """``'2026-11-20T15:00:00Z'`` -> ``'2026-11-20'``; None for what does not begin with a date."""
    day = (as_text(value) or "")[:10]
    return day if _DATE(day) else None


def match_keys(payload: Mapping[str, JSON]) -> list[str]:
    return [*payload["userData"]]


def place(settings: MicrosoftAdsSettings) -> str:
    return URL.format(uet_tag_id=quote(settings.uet_tag_id or "", safe=""))


def request(url: str, settings: MicrosoftAdsSettings, events: Sequence[JSON]) -> Request:
    """``url``: of the tag's events, with ``base_url`` applied."""
    return Request(
        url=url,
        headers={"Authorization": f"Bearer {settings.api_token}", "Content-Type": "application/json"},
        body={
            "data": events,
            "dataProvider": settings.data_provider,
            "continueOnValidationError": settings.continue_on_validation_error,
        },
    )


def check(url: str, settings: MicrosoftAdsSettings) -> Flow[Outcome]:
    """A request without events: refused for that, the token is good (unconfirmed: seen once)."""
    response = yield request(url, settings, [])
    refusal = _refusal(response)
    return Outcome(Verdict.ACCEPTED) if response.status == 400 and _error(response.body) else refusal


def outcomes(response: Response, count: int) -> list[Outcome]:
    failed = [detail for detail in _details(response.body) if detail.get("isWarning") is not True]
    named: dict[int, Outcome] = {}
    for detail in failed:
        if _names_one(detail, count):
            named.setdefault(detail["index"], _of_event(detail, response.body))
    if 200 <= response.status < 300:
        rest = _of_the_rest(response.body, count, named=len(named), is_clear=all(_names_one(d, count) for d in failed))
    elif response.status == 400 and named:  # nothing was stored
        rest = Outcome(Verdict.TRANSIENT, message="another event of its request was refused")
    else:
        return [_refusal(response)] * count
    return [named.get(index, rest) for index in range(count)]


def _names_one(detail: Mapping[str, Any], count: int) -> bool:
    index = detail.get("index")
    return type(index) is int and 0 <= index < count


def _of_the_rest(body: Any, count: int, *, named: int, is_clear: bool) -> Outcome:
    """What a 2xx says of the events that it names no failure of; ``is_clear``: each failure names its event."""
    if not isinstance(body, Mapping):
        is_page = isinstance(body, str) and body.lstrip().startswith("<")
        verdict = Verdict.TRANSIENT if is_page else Verdict.NO_ANSWER
        return Outcome(verdict, message="no JSON object in the answer", shared=True)
    received, has_details = body.get("eventsReceived"), any(_details(body))
    is_counted = type(received) is int and received >= count - named
    is_told = received is None and (has_details or body == {} or "traceId" in body)
    if (is_counted or is_told) and is_clear and (has_details or body.get("error") is None):
        return Outcome(Verdict.ACCEPTED)
    told = f"{received} of {count} received" if type(received) is int else "no count of events"
    if is_counted:
        told = "an error that names no event"
    return Outcome(Verdict.REJECTED, _code(body), told, reason="unconfirmed")


def _refusal(response: Response) -> Outcome:
    error = _error(response.body)
    return Outcome(by_status(response.status), _code(response.body), _text(error.get("message")), shared=True)


def _of_event(detail: Mapping[str, Any], body: Any) -> Outcome:
    """Never ``attemptedValue``, which is what was sent."""
    code = _text(detail.get("errorCode")) or _code(body)
    return Outcome(Verdict.REJECTED, code, _told(detail))


def _told(detail: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (_text(detail.get("propertyName")), _text(detail.get("errorMessage")))))


def warning(response: Response) -> str:
    """The fields that were dropped from events that were taken."""
    told = {_told(detail) for detail in _details(response.body) if detail.get("isWarning") is True}
    return f"sent without a field: {'; '.join(sorted(told))}" if told - {""} else ""


def request_id(response: Response) -> str:
    return _text(response.body.get("traceId")) if isinstance(response.body, Mapping) else ""


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    details = _error(body).get("details")
    return (each for each in details if isinstance(each, Mapping)) if isinstance(details, list) else iter(())


def _code(body: Any) -> str:
    code = _error(body).get("code")
    return str(code)[:100] if isinstance(code, (str, int)) and not isinstance(code, bool) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

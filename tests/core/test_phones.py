"""Phone numbers as people and their programs write them."""

from __future__ import annotations

import pytest

from target_adpostbacks.core import phones


def codes(country_code: str | None) -> tuple[str, ...]:
    return phones.calling_codes(None, country_code)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("+14155550100", "+14155550100"),
        (" +1 (415) 555-0100 ", "+14155550100"),
        ("1.415.555.0100", "+14155550100"),
        ("0014155550100", "+14155550100"),
        ("+001 415 555 0100", "+14155550100"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 (0)20 7946 0958", "+442079460958"),
        ("+49 (0) 30 901820", "+4930901820"),
        ("+39 06 6982 0000", "+390669820000"),  # Italy's leading zero belongs to the number
        ("+1 650 555 1212 ext. 450", "+16505551212"),
        ("+1 650 555 1212 ext 450", "+16505551212"),
        ("+16505551212x450", "+16505551212"),
        ("+16505551212#450", "+16505551212"),
        ("+16505551212 Extension: 450", "+16505551212"),
        ("tel:+1-650-555-1212", "+16505551212"),
        ("＋１４１５５５５０１００", "+14155550100"),  # full-width digits
        ("6107217230", "+6107217230"),
        *(("020 7946 0958", None), ("(020) 7946 0958", None), ("", None), ("+", None), ("n/a", None), ("x450", None)),
        *(("123456", None), ("+1234567890123456", None), ("+0123456789", None), ("1" * 5000, None)),
        ("+1" + " " * 200_000 + "4155550100", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_phone_e164(raw: str, normalized: str | None) -> None:
    assert phones.e164(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "country_code", "normalized"),
    [
        ("06 12 34 56 78", "33", "+33612345678"),
        ("(020) 7946 0958", "44", "+442079460958"),
        ("06 6982 0000", "39", "+390669820000"),
        ("0 30 901820", "49", "+4930901820"),
        ("+44 7911 123456", "33", "+447911123456"),
        ("0044 7911 123456", "33", "+447911123456"),
        ("(213) 373-4253", "1", "+12133734253"),
        ("612345678", "33", "+33612345678"),
        ("33612345678", "33", "+33612345678"),
        ("14155550100", "1", "+14155550100"),
        ("447911123456", "33", "+447911123456"),  # not possible in France: it holds its own country code
        ("06 12", "33", None),
        ("06 12 34 56 78", "999", None),
        ("06 12 34 56 78", "9" * 5000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_national_number_is_completed_by_the_country_code(
    raw: str, country_code: str, normalized: str | None
) -> None:
    assert phones.e164(raw, codes(country_code)) == normalized


@pytest.mark.parametrize(
    ("raw", "country_code", "normalized"),
    [
        *(("+1 (415) 555-0100", None, "14155550100"), ("0014155550100", None, "14155550100")),
        *(("+44-0447-234-2344", None, "444472342344"), ("+44 (0)20 7946 0958", None, "442079460958")),
        *(("020 7946 0958", "44", "442079460958"), ("020 7946 0958", None, "2079460958")),
        *(("(650)555-1212", None, "6505551212"), ("020 7946 0958 ext. 12", None, "2079460958")),
        *(("00000000", None, None), ("012345", None, None), ("n/a", None, None), ("0" + "1" * 16, None, None)),
        *(("+1234567890123456", None, None), ("+0123456789", None, None), ("020 7946 0958" + " " * 100, None, None)),
        ("abcdefabcdefabcdefabcdef12345678", None, None),  # an MD5
        # Their area codes begin like a country's, and nobody says that it is meant.
        *(("(610) 721-7230", None, "6107217230"), ("(270) 936-8531", None, "2709368531")),
        *(("2619359067", None, "2619359067"), ("4402079460958", None, "4402079460958")),
        ("(610) 721-7230", "1", "16107217230"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_phone_digits(raw: str, country_code: str | None, normalized: str | None) -> None:
    assert phones.digits(raw, codes(country_code)) == normalized


@pytest.mark.parametrize(
    ("raw", "country_code", "written"),
    [
        *(("4915112345678", "49", "+4915112345678"), ("4915112345678", "+49", "+4915112345678")),
        *(("468127859", "46", "+468127859"), ("38349123456", "383", "+38349123456")),
        *(("62218350123", "62", "+62218350123"), ("390669820000", "39", "+390669820000")),
        *(("49 (0) 30 901820", "49", "+4930901820"), ("919123456789", "91", "+919123456789")),
    ],
)
def test_digits_that_begin_with_the_country_code_hold_it(raw: str, country_code: str, written: str) -> None:
    assert phones.e164(raw, codes(country_code)) == written


@pytest.mark.parametrize(
    ("raw", "country_code", "written"),
    [("3912345678", "39", "+393912345678"), ("9123456789", "91", "+919123456789"), ("47123456", "47", "+4747123456")],
)
def test_a_national_number_may_begin_like_its_country_code(raw: str, country_code: str, written: str) -> None:
    assert phones.e164(raw, codes(country_code)) == written


@pytest.mark.parametrize(
    ("raw", "country", "default", "written"),
    [
        *(("079 123 45 67", "CH", None, "+41791234567"), ("079 123 45 67", "CH", "49", "+41791234567")),
        *(("06 6982 0000", "IT", None, "+390669820000"), ("049 123 456", "XK", None, "+38349123456")),
        *(("4915112345678", "AT", "49", "+4915112345678"), ("0044 7911 123456", "DE", None, "+447911123456")),
        *(("011 44 20 7946 0958", "US", None, "+442079460958"), ("0011 44 20 7946 0958", "AU", None, "+442079460958")),
        *(("8 (701) 234-56-78", "KZ", None, "+77012345678"), ("079 123 45 67", None, "41", "+41791234567")),
        *(("079 123 45 67", "ab" * 32, "41", "+41791234567"), ("079 123 45 67", "AQ", None, None)),
    ],
)
def test_the_country_completes_a_number_before_the_default(
    raw: str, country: str | None, default: str | None, written: str | None
) -> None:
    assert phones.e164(raw, phones.calling_codes(country, default)) == written


@pytest.mark.parametrize("raw", ["14155550100.0", "+14155550100.00", "14155550100,0", " 14155550100.0 "])
def test_a_spreadsheets_decimals_are_no_digits(raw: str) -> None:
    assert phones.e164(raw) == "+14155550100"
    assert phones.digits(raw) == "14155550100"


@pytest.mark.parametrize(
    "raw",
    [
        *("4.20601E+11", "4,20601E+11", "4.20601e11", "1.4155550100E10", "k38S529473Xb7J0aQm=", "+1 800 FLOWERS"),
        *("account 14155550100", "user_14155550100", "14155550100abc", "+14155550100 or +14155550101"),
        "44 7911 123456 доставка",
    ],
)
def test_a_text_with_other_letters_is_no_phone_number(raw: str) -> None:
    assert phones.e164(raw) is None
    assert phones.digits(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "+4930901820 Durchwahl 12",
            "+4930901820 DW 3",
            "+49 30 901820-DW3",
            "+49 30 901820 ext 12",
            "tel:+4930901820",
        ),
        *("+49 30 901820;ext=7", "+4930901820,,12", "+49,30,901820", "Tel. +49 30 901820 (work)", "+4930901820 x1"),
        *("tel:+4930901820", "+4930901820#12"),
        *(
            "+4930901820 (mobile)",
            "Mobil: +49 (0)30 901820",
            "Fax +49 30 901820",
            "Handy 0049 30 901820",
            "+4930901820#12",
        ),
        *(
            "\u202a+49 30 901820\u202c",
            "+49\u200b30901820",
            "\ufeff+4930901820",
            "+49 30\u00ad901820",
            "0049,30,901820",
        ),
        *("+٤٩ ٣٠ ٩٠١٨٢٠", "٠٠٤٩٣٠٩٠١٨٢٠", "+४९ ३० ९०१८२०", "+৪৯৩০৯০১৮২০", "+４９ ３０ ９０１８２０"),
    ],
)
def test_what_stands_beside_a_number_goes(raw: str) -> None:
    assert phones.e164(raw) == "+4930901820"
    assert phones.digits(raw) == "4930901820"
    assert phones.digits_by_groups(raw) == "4930901820"

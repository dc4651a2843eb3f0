"""Names and places, normalized: tables of input and output."""

from __future__ import annotations

import pytest

from target_adpostbacks.core import places


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *((" Mary Ann ", "maryann"), ("JOSÉ", "josé"), ("JOSE\u0301", "josé"), ("MÜLLER", "müller"), ("李", "李")),
        *(("O'Brien-Smith", "o'brien-smith"), ("van\u00a0der Berg", "vanderberg"), (" \t", None), ("", None)),
    ],
)
def test_name(raw: str, normalized: str | None) -> None:
    assert places.name(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *(("Cluj-Napoca", "clujnapoca"), ("Târgu Mureș", "targumures"), ("São Paulo", "saopaulo"), ("東京", "東京")),
        *((" St. John's ", "stjohns"), ("서울", "서울"), ("-", None), ("", None), ("Île-de-France", "iledefrance")),
        *(("Łódź", "lodz"), ("Tromsø", "tromso"), ("Diyarbakır", "diyarbakir"), ("İzmir", "izmir"), ("Groß", "groß")),
        *(
            ("Київ", "київ"),
            ("मुंबई", "मुंबई"),
            ("กรุงเทพ", "กรุงเทพ"),
            ("Αθήνα", "αθήνα"),
            ("أبو ظبي", "أبوظبي"),
            ("がま", "がま"),
        ),
        *(("Нижни\u0306", "нижнй"), ("Ё", "ё"), ("Tårnby Київ", "tarnbyкиїв"), ("a\u0328\u0301", "a")),
    ],
)
def test_place(raw: str, normalized: str | None) -> None:
    assert places.place(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *(("95110", "95110"), ("95110-1234", "95110"), (" 95110-1234 ", "95110"), ("951101234", "951101234")),
        *(("M5V 3L9", "m5v3l9"), ("SW1A\u00a01AA", "sw1a1aa"), ("1010-001", "1010001"), ("01234", "01234")),
        *((" - ", None), ("", None), ("9511 0-1234", "95110"), ("D-10115", "10115"), ("DK-1050", "1050")),
        *(("D10115", "d10115"), ("X-10115", "x10115"), ("US-94105-1234", "94105"), ("95110.0", "95110")),
    ],
)
def test_postal_code(raw: str, normalized: str | None) -> None:
    assert places.postal_code(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *(("O'Brien", "obrien"), ("O’Brien", "obrien"), ("J. R.", "jr"), ("Groß", "groß"), ("JOSE\u0301", "josé")),
        *(
            ("Saint-Jean d’Août", "saintjeandaoût"),
            ("Иванов", "иванов"),
            ("정", "정"),
            ("हिन्दी", "हिन्दी"),
            ("Gal·la", "galla"),
        ),
        *(("--", None), ("“”", None), ("", None), (" \u00a0", None), ("Paris 15", "paris15")),
    ],
)
def test_unpunctuated(raw: str, normalized: str | None) -> None:
    assert places.unpunctuated(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *(("San Francisco", "sanfrancisco"), ("St. Louis", "stlouis"), ("São Paulo", "sãopaulo"), ("東京", "東京")),
        *(("Paris 15", "paris"), ("12345", None), ("Giza \u0663", "giza"), ("", None)),
    ],
)
def test_city(raw: str, normalized: str | None) -> None:
    assert places.city(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "country", "normalized"),
    [
        *(
            ("California", "US", "ca"),
            (" new york ", "US", "ny"),
            ("District of Columbia", "US", "dc"),
            ("TX", "US", "tx"),
        ),
        *(("California", None, "ca"), ("Ontario", "CA", "on"), ("British Columbia", "CA", "bc")),
        *(("Maryland", "LR", "maryland"), ("Puerto Rico", "US", "pr"), ("--", "US", None)),
    ],
)
def test_state(raw: str, country: str | None, normalized: str | None) -> None:
    assert places.state(raw, country) == normalized


@pytest.mark.parametrize(
    ("code", "country", "spellings"),
    [
        (
            "ca",
            "US",
            "CA; US-CA; us-ca; USA-CA; CA, USA; CA, U.S.; California, United States; California (CA); CA - USA",
        ),
        ("tx", "US", "Texas; State of Texas; the state of texas; TX; Texas, USA; TEXAS"),
        ("ma", "US", "Commonwealth of Massachusetts; Massachusetts (US)"),
        ("dc", "US", "Washington, D.C.; Washington DC; D.C.; District of Columbia; US-DC"),
        ("wa", "US", "Washington; Washington State; State of Washington; WA"),
        ("ny", "US", "New York; New York State; N.Y.; New York, NY; US-NY"),
        ("hi", "US", "Hawaii; Hawaiʻi; Hawai‘i; Hawai'i"),
        ("qc", "CA", "Quebec; Québec; QUÉBEC; CA-QC; Québec (QC); Province of Quebec; Quebec, Canada; PQ"),
        ("bc", "CA", "British Columbia; Colombie-Britannique; B.C.; CA-BC; BC, Canada"),
        ("nl", "CA", "Newfoundland and Labrador; Newfoundland & Labrador; Terre-Neuve-et-Labrador; Newfoundland"),
        ("pe", "CA", "Prince Edward Island; Île-du-Prince-Édouard; ile du prince edouard; PEI"),
        ("nb", "CA", "New Brunswick; Nouveau-Brunswick"),
        ("ns", "CA", "Nova Scotia; Nouvelle-Écosse; Nouvelle Ecosse"),
        ("nt", "CA", "Northwest Territories; Territoires du Nord-Ouest"),
        ("yt", "CA", "Yukon; Yukon Territory"),
        ("on", "CA", "Ontario; ON; CA-ON; Province de l'Ontario"),
    ],
)
def test_a_state_is_its_code_in_every_spelling(code: str, country: str, spellings: str) -> None:
    names = spellings.split("; ")
    assert {name: places.state(name, country) for name in names} == dict.fromkeys(names, code)
    assert {name: places.state(name) for name in names} == dict.fromkeys(names, code)


@pytest.mark.parametrize(
    ("raw", "country", "normalized"),
    [
        *(
            ("Bayern", "DE", "bayern"),
            ("DE-BY", "DE", "deby"),
            ("Houston, TX", "US", "houstontx"),
            ("CA-QC", "US", "caqc"),
        ),
        *(
            ("TX, NM", "US", "txnm"),
            ("Île-de-France", None, "îledefrance"),
            ("USA", "US", "usa"),
            ("Georgia", "GE", "georgia"),
        ),
    ],
)
def test_what_is_no_state_of_the_us_or_canada_is_written_as_it_is(
    raw: str, country: str | None, normalized: str
) -> None:
    assert places.state(raw, country) == normalized


@pytest.mark.parametrize(
    ("raw", "bare"),
    [
        *(("US-CA", "CA"), ("CA, USA", "CA"), ("California (CA)", "California"), ("State of Texas", "Texas")),
        *(
            ("California", "California"),
            ("CA-QC", "QC"),
            ("Bayern", "Bayern"),
            ("Washington, D.C.", "Washington, D.C."),
        ),
    ],
)
def test_a_bare_state_says_no_country(raw: str, bare: str) -> None:
    assert places.bare_state(raw) == bare


@pytest.mark.parametrize(
    ("raw", "country", "normalized"),
    [
        *(("94035-1234", "US", "94035"), ("940351234", "US", "94035"), ("02115", "US", "02115")),
        *(("94035-12", "US", "94035"), ("94035-", "US", "94035"), ("9403-51", "US", "940351")),
        *(("12345-6789", "SA", "123456789"), ("1000-205", "PT", "1000205"), ("M1 1AE", "GB", "m11ae")),
        *(("10115.0", "DE", "10115"), ("94105.00", "US", "94105"), ("M1.0AE", "GB", "m1.0ae")),
        *(
            ("D-10115", "DE", "10115"),
            ("DE 10115", "DE", "10115"),
            ("d10115", "DE", "10115"),
            ("CH-8001", "CH", "8001"),
        ),
        *(("P-1000-205", "PT", "1000205"), ("NL-1012 AB", "NL", "1012ab"), ("US-94105-1234", "US", "94105")),
        *(
            ("D-10115", "GB", "d10115"),
            ("AD500", "AD", "ad500"),
            ("LV-1010", "LV", "lv1010"),
            ("E1 6AN", "GB", "e16an"),
        ),
    ],
)
def test_postal_code_in_a_known_country(raw: str, country: str, normalized: str) -> None:
    assert places.postal_code(raw, country) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *(("2115", "02115"), ("501", "00501"), ("2115.0", "02115"), ("2115-1234", "02115"), ("21151234", "02115")),
        *(("5010001", "00501"), ("501-0001", "00501"), ("94105", "94105"), ("94", "94"), ("940351", "940351")),
    ],
)
def test_a_us_zip_gets_back_the_zeros_that_it_lost_as_a_number(raw: str, normalized: str) -> None:
    assert places.postal_code(raw, "US") == normalized
    assert places.postal_code("2115", "CH") == places.postal_code("2115") == "2115"


@pytest.mark.parametrize("raw", ["94107", "02115", "00000"])
@pytest.mark.parametrize("country", ["US", "DE", "CA", None])
def test_five_digits_are_a_postal_code_as_they_are(raw: str, country: str | None) -> None:
    assert places.postal_code(raw, country) == places.postal_code(f" {raw}", country) == raw

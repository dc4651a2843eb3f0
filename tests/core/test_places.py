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
        *(("California", None, "ca"), ("Ontario", "CA", "ontario"), ("British Columbia", "CA", "britishcolumbia")),
        *(("Maryland", "LR", "maryland"), ("Puerto Rico", "US", "pr"), ("--", "US", None)),
    ],
)
def test_state(raw: str, country: str | None, normalized: str | None) -> None:
    assert places.state(raw, country) == normalized


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

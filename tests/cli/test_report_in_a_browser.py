"""The page of ``adpostbacks report`` in a real Chromium: silent, offline, to filter and to sort, for everybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from ledger_rows import a_row, a_statistic, an_attempt
from patience import PATIENCE
from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import Ledger

pytestmark = pytest.mark.slow
MILLISECONDS = 1000 * PATIENCE
expect.set_options(timeout=MILLISECONDS)

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
DESKTOP, PHONE, PAPER = {"width": 1280, "height": 900}, {"width": 390, "height": 844}, {"width": 718, "height": 1000}
HOSTILE = (
    "</script><script>document.title='taken'</script><img src=http://127.0.0.1:9/x onerror=document.title='taken'>"
)


def ago(**before: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(**before)).isoformat(timespec="milliseconds")


def lines() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each line of the log: its event id, columns, and when it was sent."""
    yield "evt-now", {"latency_ms": 7}, ago(minutes=10)
    yield "evt-hours", {"latency_ms": 900, "network": "reddit", "event_name": "lead"}, ago(hours=3)
    yield "evt-days", {"latency_ms": 80, "status": "rejected", "code": "40002", "message": "not a string"}, ago(days=3)
    yield "evt-weeks", {"status": "skipped", "reason": "organic", "network": "", "account": ""}, ago(days=20)
    yield HOSTILE, {"message": HOSTILE, "status": "rejected", "event_name": HOSTILE, "account": HOSTILE}, ago(days=29)
    for number in range(60):
        yield f"evt-{number:03}", {"event_name": "sign_up", "network": "meta"}, ago(days=25)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report, as a URL."""
    folder = tmp_path_factory.mktemp("report")
    url = f"sqlite:///{folder}/ledger.db"
    with closing(Ledger(url, "run-1")) as ledger:
        for event_id, columns, sent_at in lines():
            was_sent = columns.get("status") != "skipped"
            request = (
                {"attempt_id": event_id, "sent_at": sent_at} if was_sent else {"attempt_id": None, "sent_at": None}
            )
            row = a_row(event_id, event_time=sent_at, **{"status": "accepted", **request, **columns})
            attempt = an_attempt(event_id, started_at=sent_at, network=row.key.network, account=row.account)
            ledger.write(sent_at, [row], [attempt] if was_sent else [])
        figures = {
            "campaign_name": "Autumn runners",
            "spend_micros": 12_345_670_000,
            "impressions": 1_234_567,
            "clicks": 9_876,
        }
        days = {"day": ago(days=3)[:10], "conversions_micros": 123_000_000, "value_micros": 98_765_430_000}
        ledger.write_performance([a_statistic(**figures, **days)])
    result = CliRunner().invoke(main, ["report", "--ledger-url", url, "--output", str(folder / "report.html")])
    assert result.exit_code == 0, result.output
    return (folder / "report.html").as_uri()


@contextmanager
def chromium(folder: Path, **options: Any) -> Iterator[BrowserContext]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed: make test-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch_persistent_context(
            folder, executable_path=program, headless=True, args=ARGUMENTS, timeout=MILLISECONDS, **options
        )
        browser.set_default_timeout(MILLISECONDS)
        with browser:
            yield browser


@contextmanager
def opened(file: str, folder: Path, **options: Any) -> Iterator[Page]:
    """The page; at the end nothing was asked for but itself, and the console is empty."""
    asked, said = list[str](), list[str]()
    with chromium(folder, **options) as browser:
        page = browser.pages[0]
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file)
        yield page
    assert [url for url in asked if not url.startswith("data:")] == [file]
    assert said == []


def event_ids(page: Page) -> list[str]:
    return page.locator("#lines tbody tr td:nth-child(9)").all_inner_texts()


def head(page: Page, name: str) -> Locator:
    return page.locator("#lines").get_by_role("columnheader", name=name, exact=True)


def chosen(page: Page, name: str) -> Locator:
    return page.locator(f"#filters select[name={name}]")


def test_the_log_is_filtered_sorted_and_searched(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=DESKTOP) as page:
        expect(page.locator("#shown")).to_have_text("50 of 65 matching lines are shown, of 65.")
        assert event_ids(page)[:4] == ["evt-now", "evt-hours", "evt-days", "evt-weeks"]
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("#lines tbody tr")).to_have_count(65)
        for hours, count in (("1", 1), ("24", 2), ("168", 3), ("720", 65)):
            chosen(page, "hours").select_option(hours)
            expect(page.locator("#lines tbody tr")).to_have_count(min(count, 50))
        chosen(page, "network").select_option("Reddit")
        assert event_ids(page) == ["evt-hours"]
        page.get_by_role("button", name="Show all").click()
        chosen(page, "status").select_option("Failed")
        assert event_ids(page) == ["evt-days", HOSTILE]
        page.get_by_role("searchbox").fill("40002 STRING")
        assert event_ids(page) == ["evt-days"]
        page.get_by_role("searchbox").fill("nothing has this")
        expect(page.locator("#shown")).to_have_text("No line matches.")
        page.get_by_role("button", name="Show all").click()
        chosen(page, "event").select_option("purchase")
        page.get_by_role("button", name="Latency (ms)").click()
        assert event_ids(page)[-1] == "evt-days"
        expect(head(page, "Latency (ms)")).to_have_attribute("aria-sort", "ascending")
        page.get_by_role("button", name="Latency (ms)").click()
        assert event_ids(page)[0] == "evt-days"
        expect(head(page, "Latency (ms)")).to_have_attribute("aria-sort", "descending")


def test_hostile_texts_are_shown_and_do_nothing(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=DESKTOP) as page:
        page.get_by_role("searchbox").fill("taken")
        assert event_ids(page) == [HOSTILE]
        assert page.title().startswith("Conversions delivered")
        assert page.locator("img").count() == 0


def test_the_policy_forbids_the_network_and_foreign_scripts(file: str, tmp_path: Path) -> None:
    with chromium(tmp_path) as browser:
        page = browser.pages[0]
        page.goto(file)
        assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.message)") == (
            "Failed to fetch"
        )
        page.evaluate(
            "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
        )
        assert page.title().startswith("Conversions delivered")


def test_the_keyboard_reaches_everything(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=DESKTOP) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
        page.get_by_role("button", name="Account", exact=True).focus()
        page.keyboard.press("Enter")
        expect(head(page, "Account")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    file: str, tmp_path: Path, size: dict[str, int], scheme: str
) -> None:
    with chromium(tmp_path, viewport=size, color_scheme=scheme) as browser:
        page = browser.pages[0]
        page.goto(file)
        for folded in page.locator("summary").all():
            folded.click()
        violations = Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


CUT_OFF = """[...document.querySelectorAll('#spend .scrolling, #reconciliation .scrolling')]
    .map(table => table.scrollWidth - table.clientWidth)"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_ads_cost_is_seen_whole_beside_what_came_of_them(file: str, tmp_path: Path, size: dict[str, int]) -> None:
    with opened(file, tmp_path, viewport=size) as page:
        expect(page.locator("#spend tbody tr").first).to_contain_text("Autumn runners")
        page.locator("#reconciliation summary").click()
        assert page.evaluate(CUT_OFF) == [0, 0, 0]


def test_no_table_scrolls_sideways_on_a_phone(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=PHONE) as page:
        for folded in page.locator("summary").all():
            folded.click()
        cut_off = """[...document.querySelectorAll('.scrolling')].filter(table => table.scrollWidth > table.clientWidth)
            .map(table => table.getAttribute('aria-label'))"""
        assert page.evaluate(cut_off) == []


def test_the_explanations_get_the_widest_column(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=DESKTOP) as page:
        widths = page.evaluate(
            "[...document.querySelectorAll('#reconciliation th[scope=col]')].slice(0, 7).map(e => e.clientWidth)"
        )
        assert max(widths) == widths[-1]


def test_nothing_is_wider_than_the_paper(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=PAPER) as page:
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]


def test_the_page_is_printed_with_what_is_folded(file: str, tmp_path: Path) -> None:
    with opened(file, tmp_path, viewport=DESKTOP) as page:
        page.emulate_media(media="print")
        expect(page.locator("nav")).to_be_hidden()
        expect(page.locator("#filters")).to_be_hidden()
        assert None not in [table.bounding_box() for table in page.locator("details table").all()]
        assert page.pdf()[:5] == b"%PDF-"

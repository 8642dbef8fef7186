"""A report in real Chromium: it loads nothing, runs no text of a record, and can be read by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from test_report import HOSTILE, Scripted

import selfinstruct as si
from selfinstruct.config.run_config import RunConfig
from selfinstruct.report.page import write_report

CHROMIUM = shutil.which("chromium")
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra 'dev')")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def made(config: RunConfig, teacher: Any = None) -> si.Run:
    """The run of a configuration, in a thread of its own: Playwright has an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(si.run, config, teacher=teacher, export=False).result()


class Opened:
    """A page, with everything that it said to the console, threw, or asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.blocked: list[str] = []
        self.page.on("requestfailed", lambda request: self.blocked.append(request.url))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def rows(self) -> Any:
        """The table's visible rows, once everything is unpacked."""
        self.page.locator("#records").scroll_into_view_if_needed()
        self.page.wait_for_selector("#found[data-ready=true]")
        return self.page.locator("#body .row")

    def search(self, text: str) -> Any:
        self.rows()
        self.page.fill("#search", text)
        return self.rows()

    def count(self) -> int:
        """How many rows the page says it found."""
        return int(self.page.inner_text("#found").split()[0].replace(",", ""))


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open a file; at the end, it has said nothing to the console and asked for nothing but itself."""
    pages: list[Opened] = []

    def open_(path: Path, **options: Any) -> Opened:
        pages.append(Opened(browser, path, **options))
        return pages[-1]

    yield open_
    for opened in pages:
        assert opened.said == []
        assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in opened.requests if url.startswith("file:")]) == 1
        opened.page.close()


@pytest.fixture
def report(make_config: Callable[..., RunConfig], tmp_path: Path) -> Path:
    """The report of a run of 60 records, with names that have no place to break."""
    facets = {"topic": [letter * 60 for letter in "abc"], "kind": ["x" * 60, "y" * 60], "verify": 1.0}
    return write_report(made(make_config(target=60, facets=facets)), tmp_path / "report.html", parser="word-list")


@pytest.fixture
def hostile_report(make_config: Callable[..., RunConfig], tmp_path: Path) -> Path:
    config = make_config(target=3, filters={"keywords": False}, max_requests=20, concurrency=1, lookahead=1)
    return write_report(made(config, Scripted()), tmp_path / "report.html", parser="word-list")


def test_hostile_text_shows_as_text_and_runs_nothing(open_page: Callable[..., Opened], hostile_report: Path) -> None:
    opened = open_page(hostile_report)
    rows = opened.search('"<script>window.stolen"')
    assert opened.count() >= 3
    rows.first.click()
    texts = opened.page.locator("#detail .text").all_inner_texts()
    shown = HOSTILE
    for unseen in "\u2028\u2029\u202e\u200f\ufeff":
        shown = shown.replace(unseen, f"U+{ord(unseen):04X}")
    assert any(shown.strip() in text for text in texts), texts
    assert opened.page.evaluate("window.stolen") is None
    assert opened.page.locator("#records img, #detail img, #detail script").count() == 0


def test_the_policy_stops_a_script_that_got_in_all_the_same(browser: Any, hostile_report: Path) -> None:
    """Were an escape ever missing, what it let through would still not run."""
    broken = hostile_report.with_name("broken.html")
    page = hostile_report.read_text(encoding="utf-8")
    attack = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'>"
    broken.write_text(page.replace("<main", attack + "<main", 1), encoding="utf-8")
    opened = Opened(browser, broken)
    assert opened.rows().count() > 0
    assert opened.page.evaluate("window.stolen") is None
    assert any("Content Security Policy" in line for line in opened.said)
    assert opened.blocked == opened.requests[1:] == [broken.with_name("x").as_uri()]
    opened.page.close()


def test_a_sample_of_records_with_their_outputs_comes_first(
    open_page: Callable[..., Opened], make_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run = made(make_config(target=20))
    page = open_page(write_report(run, tmp_path / "page.html", parser="word-list")).page
    assert page.locator("main section h2").first.inner_text() == "6 of 20 records, drawn at random"
    outputs = {each.output for record in run.records() for each in record.examples}
    shown = page.locator("#sample article")
    assert shown.count() == 6
    for article in shown.all():
        assert article.locator(".text").last.inner_text() in outputs
    less = open_page(write_report(run, tmp_path / "less.html", max_records=0, parser="word-list")).page
    assert less.locator("#sample").count() == 0


def test_search_wants_every_word_in_any_case(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    opened.rows()
    everything = opened.count()
    rows = opened.search("DESCRIBE number")
    assert 0 < opened.count() < everything
    assert all("describe" in row.lower() for row in rows.locator(".c-instruction").all_inner_texts())
    assert opened.page.locator("#body mark").count() > 0
    opened.search("a zebra that nobody wrote of")
    assert opened.count() == 0
    opened.search("")
    assert opened.count() == everything


def test_a_quoted_phrase_is_found_as_it_stands(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    text = opened.rows().nth(2).locator(".c-instruction").inner_text()
    start, end = text.split()[:2], " ".join(text.split()[1:3])
    opened.search(f'"{end}"')
    assert opened.count() >= 1
    opened.search(f'"{start[1]} {start[0]}"')
    assert opened.count() == 0


def test_the_filter_narrows_to_a_kind_or_a_reason(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    opened.rows()
    assert opened.count() > 60
    opened.page.select_option("#filter", "kind:record")
    assert opened.count() == 60
    opened.page.select_option("#filter", "reason:too_similar")
    assert set(opened.rows().locator(".c-status").all_inner_texts()) == {"too_similar"}
    opened.page.select_option("#filter", "kind:seed")
    assert opened.count() == 8


def test_columns_sort_both_ways_and_tell_a_screen_reader(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    opened.rows()
    opened.page.select_option("#filter", "kind:record")
    head = opened.page.locator("[role=columnheader].c-score")
    for direction in ("descending", "ascending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        scores = [float(text) for text in opened.rows().locator(".c-score").all_inner_texts()]
        assert scores == sorted(scores, reverse=direction == "descending")
        assert len(scores) > 5


def test_the_keyboard_alone_is_enough(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    opened.rows()
    page.focus("#filter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "grid":
            break
    page.keyboard.press("End")
    last = page.get_attribute("#grid", "aria-activedescendant")
    assert last == f"row-{opened.count() - 1}"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert page.get_attribute("#grid", "aria-activedescendant") == "row-1"
    page.keyboard.press("Enter")
    assert page.locator("#detail").is_visible()
    page.click("#next")
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()
    assert page.evaluate("document.activeElement.id") == "grid"
    assert page.get_attribute("#grid", "aria-activedescendant") == "row-2"


def test_a_refused_candidate_stands_beside_what_it_is_like(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    opened.rows()
    opened.page.select_option("#filter", "reason:too_similar")
    opened.rows().first.click()
    sides = opened.page.locator("#detail .side")
    assert sides.count() == 2
    assert "refused: too_similar" in opened.page.inner_text("#detail-title")
    assert re.search(r"F 0\.[7-9]|F 1\.0", sides.nth(1).locator("h3").inner_text())
    left, right = sides.nth(0).bounding_box(), sides.nth(1).bounding_box()
    assert left["y"] == right["y"]
    assert left["x"] < right["x"]
    assert all(len(side.locator(".text").first.inner_text()) > 10 for side in sides.all())


def test_only_visible_rows_are_in_the_document(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report)
    assert opened.rows().count() < 30 < opened.count()
    opened.page.evaluate("document.getElementById('grid').scrollTop = 1e6")
    opened.page.wait_for_selector(f"#row-{opened.count() - 1}")
    assert opened.rows().count() < 30


def test_light_and_dark_have_contrast_enough(open_page: Callable[..., Opened], report: Path) -> None:
    """WCAG AA: 4.5 to 1 for text. The switch turns one into the other."""
    for scheme in ("light", "dark"):
        opened = open_page(report, color_scheme=scheme)
        for selector in ("body", ".note", "nav a", ".kicker", "#theme"):
            ink = opened.page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
            paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert _contrast(ink, paper) >= 4.5, (scheme, selector, ink, paper)
        before = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        opened.page.click("#theme")
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


CUT_OFF = """() => {
  const hidden = (node) => node && (getComputedStyle(node).overflowX !== "visible" || hidden(node.parentElement));
  const at = (node) => node.getBoundingClientRect();
  const wide = (node) => at(node).width && (at(node).right > 390.5 || at(node).left < 0);
  const kind = (node) => node.className.baseVal ?? node.className;
  const named = (node) => `${node.tagName} ${kind(node)} ${node.textContent.slice(0, 30)}`;
  const all = [...document.querySelectorAll("body *:not(.skip)")];
  const lost = all.filter((node) => wide(node) && !hidden(node.parentElement));
  const stuck = all.filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth
    && getComputedStyle(node).overflowX === "hidden" && getComputedStyle(node).display === "block");
  return [...lost, ...stuck].map(named).concat(document.documentElement.scrollWidth > 390 ? ["the page"] : []);
}"""
"""What a phone of 390 pixels can't show: all that is beyond its edge and in no box that scrolls."""


def test_a_phone_scrolls_down_only_and_a_printer_gets_pages(
    open_page: Callable[..., Opened], report: Path, tmp_path: Path
) -> None:
    opened = open_page(report, viewport={"width": 390, "height": 800})
    opened.rows()
    opened.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert opened.page.evaluate(CUT_OFF) == []
    opened.page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert 3 <= (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") <= 12


def test_a_page_can_be_read_without_scripts(open_page: Callable[..., Opened], report: Path) -> None:
    opened = open_page(report, java_script_enabled=False)
    assert opened.page.locator("figure svg").count() == 8
    assert opened.page.locator("noscript").count() == 1

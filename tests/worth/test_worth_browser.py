"""The page of a comparison in real Chromium: it loads nothing, fits a phone, and draws every interval."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from planted_comparisons import compared, planted_trial
from test_report_browser import CHROMIUM, CUT_OFF, Opened, _contrast, browser, open_page  # noqa: F401

from selfinstruct.report.page.row_charts import short_names
from selfinstruct.worth.blind_comparison import Worth
from selfinstruct.worth.trial_charts import trial_charts
from selfinstruct.worth.worth_charts import measure_charts, reading_charts
from selfinstruct.worth.worth_page import write_worth

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]
LONG = "a-dataset-with-a-name-that-is-rather-long"


@pytest.fixture
def found(tmp_path: Path) -> Worth:
    return compared(tmp_path, [LONG, "two", "<b>three"], [0.9, 0.5, 0.7])


def test_a_phone_scrolls_down_only(
    open_page: Callable[..., Opened],  # noqa: F811
    found: Worth,
    tmp_path: Path,
) -> None:
    path = write_worth(found, tmp_path / "page.html", planted_trial(list(found.names)))
    opened = open_page(path, viewport={"width": 390, "height": 800})
    opened.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert opened.page.evaluate(CUT_OFF) == []
    overlaps = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
      const boxes = [...svg.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
      const beside = (a, b) => a.right < b.left + 1 || b.right < a.left + 1;
      const meet = (a, b) => !beside(a, b) && a.top < b.bottom - 3 && b.top < a.bottom - 3;
      return boxes.flatMap(([text, a], i) => boxes.slice(i + 1).filter(([_, b]) => meet(a, b)).map(([b]) => [text, b]));
    })"""
    assert opened.page.evaluate(overlaps) == []


def test_every_value_is_drawn_where_its_scale_has_it(
    open_page: Callable[..., Opened],  # noqa: F811
    found: Worth,
    tmp_path: Path,
) -> None:
    trial, names = planted_trial(list(found.names)), short_names(list(found.names))
    page = open_page(write_worth(found, tmp_path / "page.html", trial)).page
    groups = [
        *reading_charts(found, "anna", names),
        *trial_charts(trial, names),
        *measure_charts(found.measures, names),
    ]
    charts = [chart for group in groups for chart in group]
    assert page.locator("figure.rows").count() == len(charts)
    for chart in charts:
        figure = page.locator(f"#{chart.id}")
        drawn = figure.locator("line.interval").evaluate_all(
            "all => all.flatMap((each) => [each.x1, each.x2].map((x) => x.baseVal.value))"
        )
        middles = figure.locator("circle.point").evaluate_all("all => all.map((each) => each.cx.baseVal.value)")
        rows = [row for row in chart.rows if row.interval]
        ends = [chart.scale.at(end) for row in rows for end in row.interval or ()]
        assert drawn == pytest.approx(ends, abs=0.06)
        assert middles == pytest.approx([chart.scale.at(row.value) for row in rows], abs=0.06)
        assert figure.locator("rect.band").count() == (len(chart.rows) if chart.band else 0)
        assert figure.locator("svg > desc").text_content() == chart.description
        assert figure.locator("svg").get_attribute("role") == "img"
        assert figure.locator("tbody tr").count() == len(chart.table)
    assert page.locator("h1").inner_text().endswith("<b>three.jsonl")


def test_light_and_dark_have_contrast_enough(
    open_page: Callable[..., Opened],  # noqa: F811
    found: Worth,
    tmp_path: Path,
) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for what a chart draws."""
    path = write_worth(found, tmp_path / "page.html", planted_trial(list(found.names)))
    for scheme in ("light", "dark"):
        page = open_page(path, color_scheme=scheme).page

        def style(selector: str, name: str) -> str:
            return str(page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{name}"))  # noqa: B023

        paper = style("body", "backgroundColor")
        for selector in (".limits", ".note", "figcaption", "summary"):
            assert _contrast(style(selector, "color"), paper) >= 4.5, (scheme, selector)
        for selector in ("svg text.value", "svg text.tick", "svg text.label"):
            assert _contrast(style(selector, "fill"), paper) >= 4.5, (scheme, selector)
        track = style("svg .track", "fill")
        for selector in ("line.interval.a", "line.interval.b", "circle.point.open"):
            assert _contrast(style(selector, "stroke"), track) >= 3, (scheme, selector)
        assert _contrast(style("svg rect.a", "fill"), track) >= 3
        assert re.match(r"rgb", track)


def test_the_page_can_be_read_without_scripts(
    open_page: Callable[..., Opened],  # noqa: F811
    found: Worth,
    tmp_path: Path,
) -> None:
    page = open_page(write_worth(found, tmp_path / "page.html"), java_script_enabled=False).page
    page.locator("#reader-0-keep summary").click()
    rows = page.locator("#reader-0-keep tbody tr")
    assert rows.first.locator("th").inner_text() == found.names[0]
    assert rows.count() == 3

"""The page of a comparison: what it says, what it holds back, and the figures that its charts draw."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from planted_comparisons import compared, datasets, planted_trial
from typer.testing import CliRunner

import selfinstruct as si
from selfinstruct.cli.app import app
from selfinstruct.core.version import __version__
from selfinstruct.report.page.row_charts import scale_for, short_names
from selfinstruct.worth.blind_comparison import compare, reading
from selfinstruct.worth.blind_reading import Grade, Grades
from selfinstruct.worth.trial_charts import trial_charts
from selfinstruct.worth.worth_charts import measure_charts, reading_charts
from selfinstruct.worth.worth_page import LIMITS, worth_page


def text_of(page: str) -> str:
    """The text of a page's body, without its tags."""
    body = page[page.index("<header>") :]
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|desc|title).*?</\1>", "", body, flags=re.S)).split())


def test_the_first_line_says_what_the_page_cannot_tell(tmp_path: Path) -> None:
    found = compared(tmp_path, ["good", "bad"], [0.95, 0.4])
    text = text_of(worth_page(found)).replace("&#39;", "'")
    assert text.index(LIMITS) < text.index("good.jsonl: 60 rows") < text.index("Which is better?")
    assert "good.jsonl is better than bad.jsonl by " in text
    assert "trial" not in text
    [topic] = found.topics
    assert "in parentheses how many anna kept of those graded. A handful of rows proves nothing." in text
    assert text.endswith(
        f"name {' '.join(topic.cells)} selfinstruct {__version__}. This page is one file and loads nothing else."
    )
    trial = planted_trial(list(found.names))
    assert f"{LIMITS} {trial.cannot_tell}" in text_of(worth_page(found, trial)).replace("&#39;", "'")


def test_the_page_of_one_dataset_compares_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, ["good"], [0.9], unfinished="eva")
    page = worth_page(found, planted_trial(list(found.names)))
    assert "<title>good.jsonl – how good is it?</title>" in page
    text = text_of(page)
    assert "good.jsonl What this page" in text
    assert "How good is it? anna: good.jsonl: " in text
    assert "eva: 57 rows left to read" in text
    assert "student trial: valid: the control" in text
    assert "advance." in text
    for word in ("better?", "is better", "apart", "differences of the "):
        assert word not in text
    [asked, others, costs] = reading_charts(found, "anna", short_names(list(found.names)))
    assert [len(each) for each in (asked, others, costs)] == [3, 1, 0]


def test_a_reader_who_continues_sees_nothing_of_their_own_grades(tmp_path: Path) -> None:
    found = compared(tmp_path, ["good", "bad"], [0.95, 0.4], unfinished="eva")
    text = text_of(worth_page(found))
    assert "Read blind by anna" in text
    assert "Read blind by eva" not in text
    assert text.count("eva") == 1  # neither their grades, nor what they kept of a verb
    assert "eva: 117 rows left to read; their grades are shown when the reading is over" in text
    alone = compared(tmp_path / "other", ["good", "bad"], [0.95, 0.4])
    assert "Nothing read yet." in text_of(worth_page(replace(alone, read={}, gaps={}, left={}, agreements=[])))


def test_a_judge_is_called_a_model_and_is_not_blind(tmp_path: Path) -> None:
    found = compared(tmp_path, ["good", "bad"], [0.95, 0.4], unfinished="judge:m")
    text = text_of(worth_page(found))
    assert "Read blind by judge:m, a model and no person" in text
    assert "anna and judge:m agree on" in text
    alone = replace(found, read={"judge:m": found.read["judge:m"]}, left={"judge:m": 117})
    assert "No person has graded these rows" in text_of(worth_page(alone))


def test_charts_draw_what_the_command_prints(tmp_path: Path) -> None:
    found = compared(tmp_path, ["one", "two", "three"], [0.9, 0.5, 0.7])
    names = short_names(list(found.names))
    asked, others, costs = reading_charts(found, "anna", names)
    kept = {row.label: row for row in asked[2].rows}
    for each in found.read["anna"]:
        row = kept[names[each.source]]
        assert row.value == each.keep
        assert row.interval == pytest.approx((each.low, each.high))
    difference, difficulty = others
    assert [row.interval for row in difference.rows] == [(gap.low, gap.high) for gap in found.gaps["anna"]]
    assert [row.color == "a" for row in difference.rows] == [gap.is_decided for gap in found.gaps["anna"]]
    assert difference.band == (-0.15, 0.15)
    assert all(sum(share for _, share, _ in row.parts) == pytest.approx(1) for row in difficulty.rows)
    assert costs == []  # files have no cost
    drawn = {chart.id for group in measure_charts(found.measures, names) for chart in group}
    assert drawn == {
        "length-task",
        "length-answer",
        "measured-hit_by_rules",
        "nearest",
        "measured-self_rouge",
        "measured-distinct_pairs",
    }
    for group in [asked, others, *measure_charts(found.measures, names)]:
        for chart in group:
            assert all(len(line) == len(chart.columns) for line in chart.table)
            assert {line[0] for line in chart.table} >= {line[0] for line in chart.table if "minus" in line[0]}


def test_a_kept_row_bears_the_cost_of_the_others(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    name = str(si.run(make_config(target=30, dataset={"select": {"count": 10, "by": "spread"}})).path)
    grades = tmp_path / "grades.jsonl"
    for number, row in enumerate(reading([name], grades, "anna").rows.values()):
        Grades(grades).add(Grade(row.digest, "anna", valid=True, correct=True, keep=number % 3 > 0, difficulty="easy"))
    found = compare([name], grades)
    _, _, [tokens, seconds] = reading_charts(found, "anna", short_names(list(found.names)))
    for each, row in zip(found.read["anna"], tokens.rows, strict=True):
        cost = found.measures[each.source].values["tokens_per_row"] or 0
        assert row.value == pytest.approx(cost / each.keep)
        assert row.interval == pytest.approx((cost / each.high, cost / each.low))
    assert "bears their cost" in tokens.note
    assert [row.label for row in seconds.rows] == ["run (spread)", "run (random)", "run (longest)"]
    assert "run (random) was added: as many of" in text_of(worth_page(found))


def test_a_valid_trial_is_drawn_with_each_arm_and_pair(tmp_path: Path) -> None:
    found = compared(tmp_path, ["one", "two", "three"], [0.9, 0.5, 0.7])
    trial, names = planted_trial(list(found.names)), short_names(list(found.names))
    by_arm, by_pair, passed = trial_charts(trial, names)
    assert [row.label for row in by_arm[0].rows] == ["one.jsonl", "two.jsonl", "three.jsonl", "control"]
    assert [row.value for row in by_arm[0].rows] == [*(each.d_gap.value for each in trial.arms), -0.3]
    assert [row.interval for row in by_pair[0].rows] == [(pair.d_gap.low, pair.d_gap.high) for pair in trial.pairs]
    assert [row.color for row in by_pair[1].rows] == ["open"] * 3
    assert [row.words for row in passed[0].rows][:2] == ["9 of 200", "50 of 200"]
    text = text_of(worth_page(found, trial))
    assert "student trial: answers of one.jsonl belong to their tasks more than those of two.jsonl" in text
    assert "Student: student-1, 3 seeds for each dataset; 120 held-out tasks, not used: 7 too long." in text


def test_a_trial_of_other_datasets_keeps_its_names(tmp_path: Path) -> None:
    found = compared(tmp_path, ["one", "two"], [0.9, 0.5])
    text = text_of(worth_page(found, planted_trial(["data/other", "data/more"])))
    assert "answers of data/other belong to their tasks more than those of data/more" in text


def test_an_invalid_trial_says_so_and_concludes_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, ["one", "two"], [0.9, 0.5])
    trial = planted_trial(list(found.names), control_loses=0.01)
    by_arm, by_pair, _ = trial_charts(trial, short_names(list(found.names)))
    assert [row.color for row in by_arm[0].rows] == ["open", "open", "b"]
    assert by_pair == []
    text = text_of(worth_page(found, trial))
    assert "student trial: INVALID" in text
    assert "Student trial, invalid" in text
    assert "belong to their tasks more than" not in text


def test_the_command_writes_the_page_and_no_other_file(tmp_path: Path) -> None:
    sources = datasets(tmp_path, ["good", "bad"])
    page, grades = tmp_path / "worth.html", tmp_path / "grades.jsonl"
    given = ["worth", *sources, "--grades", str(grades), "--html"]
    done = CliRunner().invoke(app, [*given, str(page)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"\n{page}\n")
    assert "<h1><bdi>good.jsonl and bad.jsonl</bdi></h1>" in page.read_text(encoding="utf-8")
    done = CliRunner().invoke(app, [*given, sources[0]])
    assert done.exit_code == 2
    assert "already exists, and is no page" in done.stderr


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_a_scale_has_its_values_between_its_ends(low: float, width: float) -> None:
    scale = scale_for(low, low + width, "")
    assert scale.low <= low + 1e-6 * width
    assert scale.high >= (low + width) - 1e-6 * width
    assert scale.low - 1e-6 <= scale.ticks[0][0] < scale.ticks[-1][0] <= scale.high + 1e-6
    assert 2 <= len(scale.ticks) <= 8


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["data/law", "data/tax"], ["law", "tax"]),
        (["a/law", "b/law", "law"], ["a/law", "b/law", "law"]),
        (["law (spread)", "x/law (random)"], ["law (spread)", "law (random)"]),
        (["x" * 40, "b/"], ["…" + "x" * 21, "b"]),
        (["a" + "x" * 40, "b" + "x" * 40], ["1: " + "x" * 20, "2: " + "x" * 20]),
    ],
)
def test_names_are_as_short_as_they_can_be(names: list[str], short: list[str]) -> None:
    assert list(short_names(names).values()) == short

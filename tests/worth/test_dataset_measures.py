"""What is measured of datasets without reading: as values, in the terminal, as JSON, and on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from planted_comparisons import datasets, grades_of
from rouge_score.rouge_scorer import RougeScorer

import selfinstruct as si
from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.dataset.linguistics import WordList
from selfinstruct.worth.arms import arms_of
from selfinstruct.worth.dataset_measures import FORMS, diversity_of, draw_texts, lines_of, measure, self_rouge


@pytest.fixture
def runs(make_config: Callable[..., RunConfig], tmp_path: Path) -> tuple[str, str]:
    """One run that asks for classifications, and a smaller one that doesn't."""
    one = make_config(run_dir=str(tmp_path / "paper"), strategy="self_instruct", target=30)
    two = make_config(run_dir=str(tmp_path / "alpaca"), target=12)
    return str(si.run(one, export=False).path), str(si.run(two, export=False).path)


def test_self_rouge_is_that_of_rouge_score_over_all_pairs() -> None:
    texts = ["Write a poem about the sea.", "Write a story about the sea.", "Name five rivers.", "List ten cities."]
    scorer = RougeScorer(["rougeL"])
    scores = {(a, b): scorer.score(a, b)["rougeL"].fmeasure for a in texts for b in texts if a != b}
    to_all, nearest = self_rouge(texts)
    assert to_all == pytest.approx(sum(scores.values()) / len(scores))
    assert nearest == pytest.approx([max(score for (a, _), score in scores.items() if a == text) for text in texts])
    assert diversity_of(texts, WordList())["distinct_pairs"] == 4


def test_ngram_diversity_is_the_share_of_different_ngrams() -> None:
    found = diversity_of(["a b a b", "a b"], WordList())
    assert found["distinct_words"] == 2 / 6
    assert found["ngram_diversity"] == pytest.approx(2 / 6 + 2 / 4 + 2 / 2 + 1 / 1)


def test_equal_texts_are_each_other_s_nearest_and_few_texts_have_no_pairs() -> None:
    assert self_rouge(["the same words"] * 3) == (1.0, [1.0] * 3)
    assert self_rouge(["one alone"]) == (None, [])
    assert diversity_of([], WordList())["ngram_diversity"] == 0


def test_all_datasets_are_measured_over_equally_many_tasks(runs: tuple[str, str]) -> None:
    one, two = measure(arms_of(runs)).values()
    assert one.sampled == two.sampled == 12
    assert (one.values["rows"], two.values["rows"]) == (30, 12)
    assert one.values.keys() == two.values.keys() == FORMS.keys()
    assert measure(arms_of(runs[:1]))[runs[0]].sampled == 30
    assert draw_texts(list("abcdef"), 3) == draw_texts(list("abcdef"), 3)


def test_the_values_of_a_run_are_those_of_its_status(runs: tuple[str, str]) -> None:
    status, values = si.Run(runs[0]).status(), measure(arms_of(runs))[runs[0]].values
    assert values["acceptance"] == status.acceptance
    assert values["requests"] == status.requests
    assert values["tasks_per_question"] == pytest.approx(status.admitted / status.questions)
    assert values["prompt_tokens_per_row"] == pytest.approx(status.prompt_tokens / 30)
    assert values["cost_per_row_usd"] == status.cost_per_record_usd
    refused = [values[f"refused_{stage}"] or 0 for stage in ("by_filters", "by_novelty", "instances")]
    assert sum(refused) == sum(status.refused.values())


def test_verbs_are_looked_for_in_english_and_chinese_runs_only(
    make_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    """The finders would take words of other languages for English ones."""
    said = "Verbs and objects are found in English and Chinese instructions only."
    english, german = (
        si.run(make_config(run_dir=str(tmp_path / language), target=8, language=language)) for language in ("en", "de")
    )
    done = cli("worth", english.path, german.path, "--html", tmp_path / "w.html")
    [pairs] = re.findall(r"^  distinct verb-noun pairs +(\S+) +(\S+)$", done.stdout, re.MULTILINE)
    assert pairs[0] != pairs[1] == "-"
    assert "(no verb found)  0%   100%" in done.stdout
    assert "no parser, because this works in English and Chinese only" in done.stdout
    assert "no parser, because this works in English and Chinese only" in (tmp_path / "w.html").read_text("utf-8")
    for run in (english, german):
        card = (run.path / "dataset" / "README.md").read_text(encoding="utf-8")
        page = si.write_report(run, tmp_path / "r.html", parser="word-list").read_text(encoding="utf-8")
        assert (said in card) == (said in page) == (run is german)


def test_a_line_is_left_out_when_no_dataset_has_a_value(runs: tuple[str, str], tmp_path: Path) -> None:
    file = datasets(tmp_path, ["plain"])[0]
    of_files = lines_of(measure(arms_of([file])))
    assert [(group, len(lines)) for group, lines in of_files] == [
        ("yield", 1), ("checks", 1), ("diversity, of a sample of 60 tasks", 7), ("lengths", 2),
    ]  # fmt: skip
    with_run = dict(lines_of(measure(arms_of([file, runs[1]]))))
    assert [name for name, _ in with_run["cost"]][:2] == ["requests", "prompt tokens per row"]
    assert all(cells[0] == "-" != cells[1] for _, cells in with_run["cost"])


def test_the_command_prints_the_lines_in_groups_and_the_page_has_the_same(
    runs: tuple[str, str], tmp_path: Path
) -> None:
    done = cli("worth", *runs, "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[2] == "measured, not read (only 'checked' says anything about right and wrong)"
    assert lines[3].split() == ["paper", "alpaca"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    groups = lines_of(measure(arms_of(runs)))
    assert [group for group, _ in groups] == [line for line in lines[4:32] if line[:1].islower()][: len(groups)]
    for group, named in groups:
        assert f'<tr class="group"><th scope="rowgroup" colspan="3">{group}</th></tr>' in page
        for name, cells in named:
            assert [line.split("  ") for line in lines if line.startswith(f"  {name}  ")]
            assert f'<th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_the_command_prints_one_json_object_without_what_a_reader_must_not_know(
    runs: tuple[str, str], tmp_path: Path
) -> None:
    grades = tmp_path / "grades.jsonl"
    grades_of(list(runs), [0.9, 0.5], grades, "anna")
    grades_of(list(runs), [0.9, 0.5], grades, "eva", rows=3)
    done = cli("worth", *runs, "--grades", grades, "--json", "--html", tmp_path / "page.html")
    found = json.loads(done.stdout)
    measures = found["measures"]
    assert [measures[run]["rows"] for run in runs] == [30, 12]
    assert 0 < measures[runs[0]]["self_rouge"] < measures[runs[0]]["self_rouge_nearest"] < 1
    assert measures[runs[1]]["sampled"] == 12
    assert list(found["read"]) == list(found["gaps"]) == ["anna"]
    assert found["left"] == {"anna": 0, "eva": 39}
    [one, _] = found["read"]["anna"]
    assert one["source"] == runs[0]
    assert one["tokens_per_kept_row"] == pytest.approx(measures[runs[0]]["tokens_per_row"] / one["keep"])
    assert found["gaps"]["anna"][0].keys() == {"first", "second", "pairs", "low", "high", "margin", "is_decided"}
    assert found["topics_reader"] == "anna"
    assert sum(topic["shares"][runs[0]] for topic in found["topics"]) == pytest.approx(1)
    assert found["trial"] is None
    assert (tmp_path / "page.html").exists()

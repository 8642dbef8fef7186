"""Two runs side by side: the measures, as values, in the terminal and as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rouge_score.rouge_scorer import RougeScorer

import selfinstruct as si
from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.dataset.linguistics import WordList
from selfinstruct.report.page import compare, write_comparison
from selfinstruct.report.page.comparison import diversity_of, draw


@pytest.fixture
def runs(make_config: Callable[..., RunConfig], tmp_path: Path) -> tuple[Path, Path]:
    """One run that asks for classifications, and a smaller one that doesn't."""
    one = make_config(run_dir=str(tmp_path / "paper"), strategy="self_instruct", target=30)
    two = make_config(run_dir=str(tmp_path / "alpaca"), target=12)
    return si.run(one, export=False).path, si.run(two, export=False).path


def test_self_rouge_is_that_of_rouge_score_over_all_pairs() -> None:
    texts = ["Write a poem about the sea.", "Write a story about the sea.", "Name five rivers.", "List ten cities."]
    scorer = RougeScorer(["rougeL"])
    scores = {(a, b): scorer.score(a, b)["rougeL"].fmeasure for a in texts for b in texts if a != b}
    found = diversity_of(texts, WordList())
    assert found.self_rouge == pytest.approx(sum(scores.values()) / len(scores))
    nearest = [max(score for (a, _), score in scores.items() if a == text) for text in texts]
    assert found.nearest == pytest.approx(sum(nearest) / len(nearest))
    assert found.distinct_pairs == 4


def test_ngram_diversity_is_the_share_of_different_ngrams() -> None:
    found = diversity_of(["a b a b", "a b"], WordList())
    assert found.distinct_ngrams == (2 / 6, 2 / 4, 2 / 2, 1 / 1)
    assert found.ngram_diversity == pytest.approx(2 / 6 + 2 / 4 + 2)


def test_equal_texts_are_each_other_s_nearest_and_few_texts_have_no_pairs() -> None:
    assert diversity_of(["the same words"] * 3, WordList()).nearest == 1.0
    assert diversity_of(["one alone"], WordList()).self_rouge is None
    assert diversity_of([], WordList()).distinct_ngrams == (0, 0, 0, 0)


def test_verbs_are_looked_for_in_english_and_chinese_runs_only(
    make_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    """The finders would take words of other languages for English ones."""
    said = "Verbs and objects are found in English and Chinese instructions only."
    english, german = (
        si.run(make_config(run_dir=str(tmp_path / language), target=8, language=language)) for language in ("en", "de")
    )
    found = compare(english, german, parser="word-list")
    by_key = {measure.key: measure.words for measure in found.measures}
    for key in ("distinct_pairs", "sample_distinct_pairs"):
        assert by_key[key][0] != by_key[key][1] == "–"
    pairs = found.b.figures.pairs
    assert (pairs.records, pairs.parsed, pairs.with_verb) == (8, 0, 0)
    page = write_comparison(found, tmp_path / "c.html").read_text(encoding="utf-8")
    assert "no parser, because this works in English and Chinese only" in page
    for run in (english, german):
        card = (run.path / "dataset" / "README.md").read_text(encoding="utf-8")
        page = si.write_report(run, tmp_path / "r.html", parser="word-list").read_text(encoding="utf-8")
        assert (said in card) == (said in page) == (run is german)


def test_both_runs_are_measured_over_equally_many_instructions(runs: tuple[Path, Path]) -> None:
    found = compare(*runs, parser="word-list")
    assert found.sampled == found.a.diversity.texts == found.b.diversity.texts == 12
    by_key = {measure.key: measure for measure in found.measures}
    assert (by_key["records"].a, by_key["records"].b) == (30, 12)
    assert by_key["mean_novelty"].a == found.a.figures.scores.mean_novelty
    assert by_key["classification_share"].b is None
    assert by_key["classification_share"].words[1] == "–"
    assert draw(list("abcdef"), 3) == draw(list("abcdef"), 3)


def test_a_run_beside_itself_is_equal_in_every_measure(runs: tuple[Path, Path]) -> None:
    for measure in compare(runs[0], si.Run(runs[0]), parser="word-list").measures:
        assert measure.a == measure.b


def test_a_run_without_records_can_be_compared(
    runs: tuple[Path, Path], make_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    empty = si.run(make_config(run_dir=str(tmp_path / "empty"), max_requests=0), export=False)
    found = compare(runs[0], empty, parser="word-list")
    assert found.sampled == 0
    assert write_comparison(found, tmp_path / "page.html").stat().st_size < 500_000


def test_the_command_prints_aligned_columns_and_writes_the_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = cli("compare", *runs, "--html", tmp_path / "page.html", "--word-list")
    assert done.returncode == 0, done.stderr
    *lines, path = done.stdout.splitlines()
    assert path == str(tmp_path / "page.html")
    assert lines[0].split() == ["paper", "alpaca"]
    figures = [line for line in lines[1:-1] if line.startswith("  ")]
    assert len({len(line) for line in figures}) == 1
    assert len(figures) == 23
    page = (tmp_path / "page.html").read_text()
    assert page.count("<figure") == page.count('role="img"') == 14
    assert 'content="default-src' in page


def test_the_command_prints_json(runs: tuple[Path, Path]) -> None:
    done = cli("compare", *runs, "--json", "--word-list")
    values = json.loads(done.stdout)
    assert values["records"] == {"a": 30, "b": 12}
    assert values["sampled"] == 12
    assert 0 < values["self_rouge"]["a"] < values["self_rouge_nearest"]["a"] < 1


def test_the_report_command_prints_the_path(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = cli("report", runs[0], "--word-list")
    assert done.stdout.strip() == str(runs[0] / "report.html")
    done = cli("report", runs[0], "--output", tmp_path / "small.html", "--max-records", "3", "--word-list")
    assert done.stdout.strip() == str(tmp_path / "small.html")
    assert "3 of 30 records" not in done.stdout
    assert " of 30 records" in (tmp_path / "small.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "nowhere"], "error: nowhere: not a run's folder"),
        (["compare", "nowhere", "nowhere"], "error: nowhere: not a run's folder"),
        (["report", "nowhere", "--no-records", "--max-records", "5"], "give only one"),
    ],
)
def test_a_mistake_is_one_plain_line(arguments: list[str], said: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1

"""Some of a run's records become rows, by a pure function of the records."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rouge_score import rouge_scorer
from typer.testing import CliRunner

import selfinstruct as si
from selfinstruct.cli.app import app
from selfinstruct.config.sections import SelectConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.records import Record
from selfinstruct.core.tasks import Verdict
from selfinstruct.dataset.select import ORDERS, select
from selfinstruct.journal.folder import status
from selfinstruct.journal.snapshot import read

MakeConfig = Callable[..., si.RunConfig]


@pytest.fixture
def records(make_config: MakeConfig) -> list[Record]:
    with read(si.run(make_config(target=20))) as snapshot:
        return list(snapshot.records)


def chosen(records: list[Record], by: str, count: int = 6, seed: int = 1) -> list[int]:
    kept = select(records, SelectConfig(count=count, by=by), seed)  # type: ignore[arg-type]
    return [next(at for at, each in enumerate(records) if each is record) for record in kept]


def with_answer(record: Record, **values: object) -> Record:
    example = record.examples[0]
    response = replace(example.responses[0], **values)
    return replace(record, examples=(replace(example, responses=(response,)),))


@pytest.mark.parametrize("by", ORDERS)
def test_a_selection_keeps_the_order_and_is_the_same_each_time(by: str, records: list[Record]) -> None:
    records[0] = with_answer(records[0], marks={"fit": 3.0, "agreement": 0.5}, verdicts={"wrong_answer": Verdict()})
    found = chosen(records, by)
    assert len(found) == 6
    assert found == sorted(found) == chosen(records, by)
    assert chosen(records, by, count=20) == chosen(records, by, count=99) == list(range(20))
    assert set(chosen(records, by, count=3)) < set(found)  # a smaller selection is a part of a larger one


def test_first_and_random(records: list[Record]) -> None:
    assert chosen(records, "first") == list(range(6))
    assert len({tuple(chosen(records, "random", seed=seed)) for seed in range(5)}) == 5


def test_figures_of_answers_decide(records: list[Record]) -> None:
    marked = [
        with_answer(
            record,
            text=" ".join(["word"] * (7 * number % 20)),
            marks={"correctness": 7 * number % 20 / 4, "agreement": 3 * number % 20 / 20},
            verdicts={"wrong_answer": Verdict(score=1.0 if number % 3 == 0 else 0.0)},
        )
        for number, record in enumerate(records)
    ]
    assert chosen(marked, "longest") == chosen(marked, "marks") == sorted(n for n in range(20) if 7 * n % 20 >= 14)
    assert chosen(marked, "agreement") == sorted(n for n in range(20) if 3 * n % 20 >= 14)
    assert chosen(marked, "checks") == [0, 3, 6, 9, 12, 15]


def test_unchecked_answers_come_after_right_ones_and_before_wrong_ones(records: list[Record]) -> None:
    found = [
        with_answer(record, verdicts={} if score is None else {"wrong_answer": Verdict(score=score)})
        for record, score in zip(records, (0.0, None, 1.0), strict=False)
    ]
    assert chosen(found, "checks", count=1) == [2]
    assert chosen(found, "checks", count=2) == [1, 2]


@pytest.mark.parametrize(("by", "what"), [("checks", "a program"), ("marks", "a judge"), ("agreement", "compared")])
def test_a_figure_that_no_record_has_is_an_error(by: str, what: str, records: list[Record]) -> None:
    with pytest.raises(ConfigError, match=f"dataset.select.by: {by} needs .*{what}.*, and no record has any; "):
        chosen(records, by)
    assert chosen(records, by, count=20) == list(range(20))  # there is nothing to select


def test_a_run_with_such_a_selection_keeps_its_answers(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="marks needs"):
        si.run(make_config(target=8, dataset={"select": {"count": 3, "by": "marks"}}))
    asked = status(make_config().run_dir).requests
    made = si.run(make_config(target=8, dataset={"select": {"count": 3, "by": "longest"}}))
    assert made.status().requests == asked > 0
    assert len(si.to_dataset(made)) == 3


def test_spread_is_farthest_first_by_published_rouge(records: list[Record]) -> None:
    draw, words = random.Random(2), "red blue tall small dog cat house river".split()
    texts = [" ".join(draw.choices(words, k=6)) for _ in records]
    found = [replace(record, instruction=text) for record, text in zip(records, texts, strict=True)]
    score = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False).score
    expected = [0]
    while len(expected) < 6:
        nearest = {
            at: max(score(texts[other], texts[at])["rougeL"].fmeasure for other in expected)
            for at in range(20)
            if at not in expected
        }
        expected.append(min(nearest, key=lambda at: (round(nearest[at], 9), at)))
    assert chosen(found, "spread") == sorted(expected)


def test_equal_instructions_are_each_chosen_once(records: list[Record]) -> None:
    assert chosen([replace(record, instruction="Say hello.") for record in records], "spread") == list(range(6))


def test_rows_and_card_have_the_selection_and_the_run_keeps_all(make_config: MakeConfig, tmp_path: Path) -> None:
    made = si.run(make_config(target=20))
    for number, by in enumerate(("spread", "random")):
        target = tmp_path / f"{number}"
        sets = ["--set", f"dataset.select={{count: 5, by: {by}}}", "--output", str(target)]
        done = CliRunner().invoke(app, ["export", str(made.path), *sets])
        assert done.exit_code == 0, done.stderr
        assert f"| selection | 5 of the run's 20 records, by `{by}` |" in (target / "README.md").read_text()
    file = tmp_path / "x.jsonl"
    CliRunner().invoke(app, ["export", str(made.path), "--set", "dataset.select={count: 5}", "--output", str(file)])
    ids = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert len(ids) == 5
    with read(made) as snapshot:
        assert len(snapshot.records) == 20
        assert [record.id for record in snapshot.records if record.id in ids] == ids
    assert len(si.to_dataset(made)) == 20


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{count: 0}", "dataset.select.count"),
        ("{by: spread}", "dataset.select.count"),
        ("{count: 3, by: best}", "dataset.select.by"),
        ("3", "dataset.select"),
    ],
)
def test_a_wrong_selection_is_one_line(given: str, said: str, make_config: MakeConfig) -> None:
    made = si.run(make_config(target=3))
    done = CliRunner().invoke(app, ["export", str(made.path), "--set", f"dataset.select={given}", "--overwrite"])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

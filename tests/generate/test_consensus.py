"""The answer that is most like the others, and tasks whose answers have nothing in common."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

import selfinstruct as si
from conftest import ROOT
from selfinstruct.config.sections import AnswersConfig
from selfinstruct.core.prompts import Completion, Prompt, Sampling
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.generate.consensus import Consensus
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher

TEXTS = (
    "Boil the eggs for eight minutes, then cool them.",
    "Boil the eggs for eight minutes and cool them in water.",
    "Bake the eggs at a low heat for an hour.",
    "It depends.",
)


def with_agreement(responses: list[Response], least: float) -> list[Response]:
    consensus = Consensus(AnswersConfig(samples=4, until="all", min_agreement=least), Sampling())
    nothing: Any = None
    marked, truth = asyncio.run(consensus.compare(Example.of("How long?", "", *responses), responses, nothing))
    assert truth is None
    return marked


def test_each_answer_is_marked_with_its_mean_similarity_to_the_others() -> None:
    marked = with_agreement([Response(text, sample=n) for n, text in enumerate(TEXTS)], 0.2)
    scorer = RougeScorer(["rougeL"])
    for each in marked:
        others = [scorer.score(each.text, text)["rougeL"].fmeasure for text in TEXTS if text != each.text]
        assert each.marks["agreement"] == pytest.approx(sum(others) / 3, abs=1e-4)
    assert [each.passed for each in marked] == [True, True, True, False]
    assert marked[3].verdicts["agreement"].reason == "no_agreement"


def test_an_answer_that_failed_counts_for_nothing_and_one_alone_is_not_enough() -> None:
    failed = Response(TEXTS[1], sample=1, verdicts={"echo": Verdict("echo")})
    alone, unchanged = with_agreement([Response(TEXTS[0]), failed], 0.0)
    assert alone.verdicts["agreement"].reason == "no_agreement"
    assert unchanged == failed


class Outlier(FakeTeacher):
    """Answers every task alike, but for its first answer to half of them, and all answers to some."""

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose != "answer":
            return await super().complete(prompt)
        vague = len(prompt.messages[-1].content) % 5 == 0
        text = f"{prompt.sample} " * 9 if vague else f"{TEXTS[prompt.sample % 2]} Enjoy."
        return Completion(text.strip() + ".", model="fake")


def test_a_run_keeps_what_agrees(tmp_path: Path) -> None:
    answers: dict[str, Any] = {"samples": 4, "until": "all", "min_agreement": 0.3}
    values = {"seeds": str(ROOT / "seeds" / "en.jsonl"), "run_dir": tmp_path / "run", "target": 20, "answers": answers}
    teacher = {"kind": "fake", "model": "fake"}
    config = si.RunConfig.parse({**values, "teacher": teacher, "dataset": {"license": "apache-2.0"}})
    with read(run(config, teacher=Outlier())) as snapshot:
        records = list(snapshot.records)
        rejected = [reason for _, reason, _ in snapshot.rejections()]
    assert len(records) == 20
    assert all(record.examples[0].output.endswith("Enjoy..") for record in records)
    assert "no_agreement" in rejected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answers": {"samples": 2, "until": "all", "min_agreement": 0.3}}, "set answers.samples to 3 or more"),
        ({"answers": {"samples": 4, "until": "all", "min_agreement": 0.3}, "judge": {}}, "in place of a judge"),
    ],
)
def test_what_agreement_needs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(si.ConfigError, match=message):
        si.RunConfig.parse({"seeds": "s.jsonl", "run_dir": "run", **values})

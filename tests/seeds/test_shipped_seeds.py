"""The seed files that ship: enough tasks, varied, balanced, and no two alike."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from rouge_score import rouge_scorer
from worked import keep

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.tasks import Candidate, SeedTask
from selfinstruct.filters import instruction_filters
from selfinstruct.novelty import NoveltyIndex
from selfinstruct.seeds.load import load_seeds

SEEDS = Path(__file__).parents[2] / "seeds"


@pytest.fixture(scope="module", params=["en", "zh"])
def seeds(request: pytest.FixtureRequest) -> tuple[str, list[SeedTask]]:
    return request.param, load_seeds(str(SEEDS / f"{request.param}.jsonl"))


def test_there_are_enough(seeds: tuple[str, list[SeedTask]]) -> None:
    language, tasks = seeds
    assert len(tasks) == 175 if language == "en" else len(tasks) >= 60
    assert sum(bool(task.is_classification) for task in tasks) >= (25 if language == "en" else 10)
    assert len({task.name for task in tasks}) == len(tasks)


def test_labels_of_a_classification_are_balanced(seeds: tuple[str, list[SeedTask]]) -> None:
    for task in seeds[1]:
        if task.is_classification:
            counts = Counter(instance.output for instance in task.instances)
            assert len(counts) >= 2, task.id
            assert len(set(counts.values())) == 1, (task.id, counts)
            assert all(instance.input for instance in task.instances), task.id


def test_no_two_instructions_are_alike(seeds: tuple[str, list[SeedTask]]) -> None:
    """Highest ROUGE-L F of any pair is at most 0.5, by this project's tokens."""
    index = NoveltyIndex(max_similarity=0.5)
    for task in seeds[1]:
        verdict = index.check(task.instruction)
        assert verdict.ok, (task.id, verdict)
        index.admit(task.id, task.instruction)


@pytest.mark.slow
def test_no_two_english_instructions_are_alike_by_rouge_score_itself() -> None:
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    tasks = load_seeds(str(SEEDS / "en.jsonl"))
    worst = max(
        (scorer.score(a.instruction, b.instruction)["rougeL"].fmeasure, a.id, b.id) for a, b in combinations(tasks, 2)
    )
    assert worst[0] <= 0.5, worst


def test_they_would_pass_the_filters_themselves(seeds: tuple[str, list[SeedTask]]) -> None:
    language, tasks = seeds
    config = RunConfig.parse({"seeds": "-", "run_dir": "-", "language": language})
    for task in tasks:
        for check in instruction_filters(config):
            assert check.check(Candidate(task.instruction)).ok, (task.id, check.check(Candidate(task.instruction)))
        pairs = [(instance.input, instance.output) for instance in task.instances]
        kept, refused = keep(pairs, instruction=task.instruction)
        assert kept == pairs, (task.id, refused)


def test_they_vary_in_form() -> None:
    tasks = load_seeds(str(SEEDS / "en.jsonl"))
    questions = sum("?" in task.instruction for task in tasks)
    without_input = sum(not task.instances[0].input for task in tasks)
    openings = Counter(task.instruction.split()[0].lower() for task in tasks)
    assert questions >= 30
    assert 40 <= without_input <= 120
    assert openings.most_common(1)[0][1] <= 12, openings.most_common(3)

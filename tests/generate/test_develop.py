"""A record names the teacher that wrote its instances, whichever teacher answered last."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import datasets
import pytest
from test_loop import Ask, Chain, Counting, grow

from conftest import Loopback
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.core.records import Development, Example, Response
from selfinstruct.core.tasks import Candidate
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.provenance import Trail
from selfinstruct.journal.snapshot import read
from selfinstruct.report.explain import Story, explain
from selfinstruct.report.explain.describe import describe

MakeConfig = Callable[..., RunConfig]
ROLES = {"proposer": "propose", "writer": "instances", "critic": "classify"}


async def asked(candidate: Candidate, ask: Ask, purpose: str) -> Completion:
    return await ask(Prompt(purpose, (Message("user", f"{purpose} {candidate.instruction}"),), Sampling(max_tokens=9)))


def developed(candidate: Candidate, output: str, key: str | None = None) -> Development:
    return Development((Example.of(candidate.instruction, "", Response(output, key=key)),))


class Reviewed(Chain):
    """Asks a critic after the writer, and takes the output from the writer."""

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        written = await asked(candidate, ask, "instances")
        await asked(candidate, ask, "classify")
        return developed(candidate, written.text, written.key)


class ProposedAndReviewed(Chain):
    """Takes the output from the proposal, and asks a critic."""

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        await asked(candidate, ask, "classify")
        return developed(candidate, f"Answer to {candidate.instruction}", candidate.key)


class StatesNothing(Chain):
    """Asks for some purposes, and doesn't state which answer the output comes from."""

    asks_for: tuple[str, ...] = ()

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        texts = [(await asked(candidate, ask, purpose)).text for purpose in self.asks_for]
        return developed(candidate, " ".join(texts) or f"Answer to {candidate.instruction}")


class StatesNothingOfOne(StatesNothing):
    asks_for = ("instances",)


class StatesNothingOfTwo(StatesNothing):
    asks_for = ("instances", "classify")


class Misstated(Chain):
    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        return developed(candidate, "Fine.", "d:of another task")


class Named(Counting):
    """A teacher whose answers name a model."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model = model

    async def complete(self, prompt: Prompt) -> Completion:
        answer = await super().complete(prompt)
        return Completion(answer.text, usage=Usage(1, 1), model=self._model)


def three_teachers(make_config: MakeConfig, **values: Any) -> RunConfig:
    listed = [{"kind": "fake", "model": name, "name": name, "roles": [role]} for name, role in ROLES.items()]
    return make_config(teacher=None, teachers=listed, **{"target": 5} | values)


def run_with(make_config: MakeConfig, strategy: type[Chain], **options: Any) -> Run:
    return grow(three_teachers(make_config), {name: Named(name) for name in ROLES}, strategy=strategy, **options)


@pytest.mark.parametrize(
    ("strategy", "author"),
    [
        (Reviewed, "writer"),
        (ProposedAndReviewed, "proposer"),
        (StatesNothing, "proposer"),
        (StatesNothingOfOne, "writer"),
        (StatesNothingOfTwo, None),
    ],
)
def test_a_record_names_the_author_that_the_strategy_states(
    make_config: MakeConfig, strategy: type[Chain], author: str | None
) -> None:
    made = run_with(make_config, strategy)
    with read(made) as snapshot:
        trail = Trail(snapshot)
        for record in snapshot.records:
            (example,) = record.examples
            (response,) = example.responses
            assert (record.origin.teacher, response.teacher) == ("proposer", author)
            assert (response.key is None) == (author is None)
            if response.key is not None:
                assert response.key in trail.keys(record.question, record.index)
                answer = snapshot.answer(response.key)
                assert answer is not None
                assert answer.teacher == author
    again = run_with(make_config, strategy, recall_only=True)
    assert again.records() == made.records(), "a replay names the same authors"


def test_an_answer_of_another_task_is_no_author(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="strategy chain: key 'd:of another task' is neither the proposal nor"):
        run_with(make_config, Misstated)


def test_provenance_and_explain_name_the_writer_and_its_host(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    config = three_teachers(make_config)
    server = {"kind": "openai", "base_url": loopback().base_url, "api_key_env": None}
    teachers = [each.model_dump(exclude_unset=True) for each in config.all_teachers]
    teachers[1] |= server
    config = RunConfig.parse(config.model_dump(exclude_unset=True) | {"teachers": teachers})
    made = run(config, strategy=Reviewed)
    rows = datasets.load_dataset(str(made.dataset_path), "provenance", split="train")
    assert {(row["output_teacher"], row["output_host"], row["teacher_host"]) for row in rows} == {
        ("writer", "127.0.0.1", None)
    }
    record = made.records()[0]
    story = explain(made, record.id)
    assert isinstance(story, Story)
    assert f"example 1, written by writer, in {record.examples[0].responses[0].key}" in describe(story)


def test_a_judge_may_spell_out_half_a_surrogate_pair(make_config: MakeConfig) -> None:
    marks = {"reason": "Fine \ud83d.", "clarity": 5, "correctness": 5, "helpfulness": 5, "safety": 5}

    class Judging(Named):
        async def complete(self, prompt: Prompt) -> Completion:
            answer = await super().complete(prompt)
            return replace(answer, text=json.dumps(marks)) if prompt.purpose == "judge" else answer

    made = grow(make_config(target=3, judge={"min_score": 3}), Judging("m"), strategy=Chain)
    responses = [example.responses[0] for record in made.records() for example in record.examples]
    assert {response.verdicts["judge"].detail for response in responses} == {"Fine ?."}

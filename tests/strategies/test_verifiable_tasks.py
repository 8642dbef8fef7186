"""Tasks that programs draw are well formed, different, and their own ground truth passes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from random import Random
from typing import Any

import pytest
import yaml

from selfinstruct.core.programs import Program, Ran
from selfinstruct.core.shipped import shipped_yaml
from selfinstruct.core.tasks import Verdict
from selfinstruct.strategies.verifiable import constraints, lists, maths, structured
from selfinstruct.strategies.verifiable.task import Task
from selfinstruct.verifiers import VERIFIERS

KINDS = {"maths": maths.draw, "structured": structured.draw, "lists": lists.draw, "constraints": constraints.draw}
LANGUAGES = ("en", "zh")


async def run(program: Program) -> Ran:
    raise AssertionError("no program is needed")


def verify(task: Task, answer: str) -> Verdict:
    expected = json.loads(task.ground_truth.expected)
    return asyncio.run(VERIFIERS[task.ground_truth.verifier](expected, answer, run))


def tasks(kind: str, language: str, count: int) -> list[Task]:
    return [KINDS[kind](Random(f"3:{number}"), language) for number in range(count)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_tasks_are_complete_texts(kind: str, language: str) -> None:
    for task in tasks(kind, language, 150):
        text = f"{task.instruction}\n{task.input}"
        assert not re.search(r"\{[a-zA-Z]|  |\bNone\b|\ba (?=[aeio])", text), text
        assert task.instruction[0].isupper() or not task.instruction[0].isascii() or task.instruction[0].isdigit()
        assert (re.search("[\u4e00-\u9fff]", text) is not None) == (language == "zh")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_number_draws_the_same_task(kind: str) -> None:
    assert tasks(kind, "en", 20) == tasks(kind, "en", 20)


@pytest.mark.parametrize("kind", KINDS)
def test_hardly_two_of_a_thousand_tasks_are_the_same(kind: str) -> None:
    assert len({task.meaning for task in tasks(kind, "en", 1000)}) > 950


def test_there_are_enough_everyday_tasks() -> None:
    tasks_of = shipped_yaml("selfinstruct.strategies.verifiable", "everyday.yaml")
    counts = {language: sum(map(len, kinds.values())) for language, kinds in tasks_of.items()}
    assert counts["en"] >= 80
    assert counts["zh"] >= 30
    assert all(len(set(texts)) == len(texts) for kinds in tasks_of.values() for texts in kinds.values())


def test_every_story_can_be_drawn() -> None:
    drawn = {language: {task.meaning.split()[0] for task in tasks("maths", language, 600)} for language in LANGUAGES}
    assert len(drawn["en"]) >= 30
    assert len(drawn["zh"]) >= 12
    drawn = {
        language: {task.meaning.split()[0] for task in tasks("structured", language, 200)} for language in LANGUAGES
    }
    assert len(drawn["en"]) >= 10
    assert len(drawn["zh"]) >= 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_value_of_a_word_problem_passes_and_any_other_fails(language: str) -> None:
    for task in tasks("maths", language, 200):
        expected = json.loads(task.ground_truth.expected)
        value, unit = expected["value"], expected.get("unit", "")
        says = "答案是{}。" if language == "zh" else "First, we think. The answer is {}."
        if marker := expected.get("marker"):
            assert "last line" in verify(task, says.format(value)).detail
            says = f"First, we think.\n\n**{marker}** {{}}"
        assert verify(task, says.format(value)).ok
        assert verify(task, says.format(f"{value} {unit}")).ok, task
        other = {"Monday": "Tuesday", "星期一": "星期二"}.get(value, "Monday" if value.isalpha() else f"1{value}")
        assert not verify(task, says.format(other)).ok


def written(expected: dict[str, Any]) -> str:
    """An expected object in its format."""
    value, kind = expected["value"], expected["format"]
    if kind in ("json", "yaml"):
        return json.dumps(value) if kind == "json" else yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    rows = [[json.dumps(cell) if isinstance(cell, bool) else cell for cell in row.values()] for row in value]
    if kind == "csv":
        file = io.StringIO()
        csv.writer(file).writerows([list(value[0]), *rows])
        return file.getvalue()
    return "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in [list(value[0]), ["---"] * len(value[0]), *rows]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_object_of_a_text_passes_and_another_task_s_fails(language: str) -> None:
    drawn = tasks("structured", language, 120)
    for task, other in zip(drawn, [*drawn[1:], drawn[0]], strict=True):
        expected = json.loads(task.ground_truth.expected)
        verdict = verify(task, f"```{expected['format']}\n{written(expected)}\n```")
        assert verdict.ok, verdict.detail
        assert not verify(task, written(json.loads(other.ground_truth.expected))).ok


def test_texts_of_an_object_are_in_its_text() -> None:
    for task in tasks("structured", "en", 120):
        value = json.loads(task.ground_truth.expected)["value"]
        for row in value if isinstance(value, list) else [value]:
            for field, each in row.items():
                if isinstance(each, str) and not re.fullmatch(r"[\d:-]+", each):
                    assert each in task.input, field


@pytest.mark.parametrize("kind", KINDS)
def test_another_language_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="in 'fr'"):
        KINDS[kind](Random(1), "fr")

"""Everyday tasks with one to three constraints on the form of the answer (`everyday.yaml`, `solved.yaml`)."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

from ...core.records import GroundTruth
from ...core.shipped import shipped_yaml
from ...core.tokens import tokenize
from ...verifiers.constraints import attach
from .task import Task

_COUNTS = (1, 1, 1, 2, 2, 3)
MAX_CONSTRAINTS = max(_COUNTS)
_SUBJECT_WORDS = 3


def draw(random: Random, language: str, max_parts: int = MAX_CONSTRAINTS) -> Task:
    """Draw a task with one to `max_parts` constraints in 'en' or 'zh'.

    Raises:
        ValueError: There is no task in this language.
    """
    tasks = [(kind, text) for kind, texts in _everyday().get(language, {}).items() for text in texts]
    if not tasks:
        raise ValueError(f"constraints: no task in {language!r}")
    kind, text = random.choice(tasks)
    count = random.choice([each for each in _COUNTS if each <= max_parts])
    instruction, truth = attach(text, random, language, count, kind)
    given = [(key, str(value)) for each in json.loads(truth.expected)["constraints"] for key, value in each.items()]
    chosen = [value for key, value in given if key not in ("request", "text")]
    # The end of the task names its subject. All of it would outweigh the constraints where novelty compares meanings.
    return Task(instruction, "", truth, " ".join([*tokenize(text)[-_SUBJECT_WORDS:], *chosen]))


def draw_solved(random: Random, language: str) -> Task:
    """Draw one of the tasks that have a solution written by a person."""
    solved = random.choice(shipped_yaml(__package__, "solved.yaml")[language])
    truth = GroundTruth("constraints", json.dumps({"constraints": solved["constraints"]}, ensure_ascii=False))
    return Task(solved["task"], "", truth, solved["task"], solved["answer"])


@cache
def _everyday() -> Any:
    return shipped_yaml(__package__, "everyday.yaml")

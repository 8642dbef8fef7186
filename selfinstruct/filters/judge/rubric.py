"""Prompt a judge with the rubric and parse its marks; used while generating and by `judge-eval`.

The judge grades each instance on its own, on an absolute scale, so there is no position bias between two answers.
`judge-eval` measures its length bias; the docs name the other known biases.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from ...config.run_config import RunConfig
from ...core.prompts import Completion, Message, Prompt, Sampling
from ...core.reasoning import split_reasoning
from ...core.shipped import shipped_text, shipped_yaml
from ...core.tasks import Instance, Scores, Verdict
from .read_marks import CRITERIA, read_marks

SAMPLING = Sampling(temperature=0.0, max_tokens=300)
"""Default decoding parameters; the configuration's `judge` overrides them."""
SCHEMA: dict[str, Any] = {
    "title": "scores",
    "type": "object",
    "properties": {"reason": {"type": "string"}}
    | {name: {"type": "integer", "enum": [1, 2, 3, 4, 5]} for name in CRITERIA},
    "required": ["reason", *CRITERIA],
    "additionalProperties": False,
}
_REASON_CHARS = 300
_JSON = re.compile(r"\s*(?:```\w*\s*)?[{\[]")

Ask = Callable[[Prompt], Awaitable[Completion]]


class Judge:
    """Grades instances, and rejects those with a mean mark below `judge.min_score`, if set.

    by_schema: whether to request the marks by a JSON schema.
    """

    def __init__(self, config: RunConfig, *, by_schema: bool) -> None:
        settings = config.judge
        self._words = _wording("zh" if config.language == "zh" else "en")
        self._by_schema = by_schema
        self._sampling = SAMPLING if settings is None else settings.over(SAMPLING)
        self._min_score = None if settings is None else settings.min_score

    def prompt(self, instruction: str, instance: Instance) -> Prompt:
        """Return the prompt that asks for the marks of one instance."""
        words = self._words
        texts = {
            "instruction": instruction.strip(),
            "input": instance.input.strip() or words["none"].strip(),
            "output": instance.output.strip(),
        }
        # Fill in all texts at once, because an instruction may itself contain '{input}'.
        task = re.sub(r"\{(instruction|input|output)\}", lambda match: texts[match[1]], words["task"])
        return Prompt(
            purpose="judge",
            messages=(Message("system", words["system"]), Message("user", task)),
            sampling=self._sampling,
            version=rubric_digest(),
            schema=SCHEMA if self._by_schema else None,
        )

    async def grade(
        self, instruction: str, instances: Sequence[Instance], ask: Ask
    ) -> tuple[tuple[Instance, ...], tuple[Scores | None, ...], list[Verdict]]:
        """Grade the instances of a task.

        Args:
            instruction: The task's instruction.
            instances: The instances to grade, in order.
            ask: Sends a prompt to the judge.

        Returns:
            The instances to keep, their scores (None if the judge gave no marks), and a verdict per rejected instance,
            whose `detail` begins with the instance's number, counted from 1. With a minimum score, an instance without
            marks is rejected as 'unjudged'.
        """
        kept: list[Instance] = []
        scores: list[Scores | None] = []
        refused = []
        for number, instance in enumerate(instances, 1):
            score = await self.mark(instruction, instance, ask)
            verdict = self._verdict(number, score)
            if verdict is None:
                kept.append(instance)
                scores.append(score)
            else:
                refused.append(verdict)
        return tuple(kept), tuple(scores), refused

    async def mark(self, instruction: str, instance: Instance, ask: Ask) -> Scores | None:
        """Return the marks of one instance, or None if the judge gives none."""
        return read_scores(await ask(self.prompt(instruction, instance)))

    def _verdict(self, number: int, scores: Scores | None) -> Verdict | None:
        if self._min_score is None or (scores is not None and scores.mean >= self._min_score):
            return None
        if scores is None:
            return Verdict("unjudged", f"{number}: the judge gave no marks")
        marks = ", ".join(f"{name} {getattr(scores, name)}" for name in CRITERIA)
        return Verdict("low_score", f"{number}: {marks}; {scores.reason}", scores.mean)


def read_scores(completion: Completion) -> Scores | None:
    """Read the four marks of an answer, JSON or not; None if one is missing or unclear. Never raises."""
    text = split_reasoning(completion.text)[1]  # the reasoning may discuss other marks
    # An answer that was cut off may be no more than a draft, unless it begins with JSON.
    if completion.error is not None or (completion.truncated and not _JSON.match(text)):
        return None
    marks, reason = read_marks(text)
    if len(marks) < len(CRITERIA):
        return None
    return Scores(**marks, reason=reason[:_REASON_CHARS], judge=completion.model)


@lru_cache
def rubric_digest() -> str:
    """Return the version of the rubric, which is part of every prompt to a judge and of the config digest."""
    return hashlib.sha256(shipped_text(__package__, "rubric.yaml").encode()).hexdigest()[:12]


@lru_cache
def _wording(language: str) -> dict[str, str]:
    words: dict[str, str] = shipped_yaml(__package__, "rubric.yaml")[language]
    return words

"""The rubric: what a judge is asked about one worked task, and how its marks are read.

Each task is graded by itself, on an absolute scale. So no answer has a first or second place that could be preferred;
what is left of the known biases of such judges (length, text of their own) `judge-eval` measures or the docs name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from ...config.run_config import RunConfig
from ...core.prompts import Completion, Message, Prompt, Sampling
from ...core.shipped import shipped_text, shipped_yaml
from ...core.tasks import Instance, Scores, Verdict

CRITERIA = ("clarity", "correctness", "helpfulness", "safety")
SAMPLING = Sampling(temperature=0.0, max_tokens=300)
"""How a judge is asked where the configuration's `judge` doesn't say otherwise."""
SCHEMA: dict[str, Any] = {
    "title": "scores",
    "type": "object",
    "properties": {"reason": {"type": "string"}}
    | {name: {"type": "integer", "enum": [1, 2, 3, 4, 5]} for name in CRITERIA},
    "required": ["reason", *CRITERIA],
    "additionalProperties": False,
}
_REASON_CHARS = 300
_MARK = {
    name: re.compile(rf'\b{name}\b[^\d\n:：=]{{0,12}}[:：=][ "*]*([1-5])(?:\.0+)?(?![\d.])', re.IGNORECASE)
    for name in CRITERIA
}
_REASON = re.compile(r'"reason"\s*:\s*("(?:[^"\\]|\\.)*")')

Ask = Callable[[Prompt], Awaitable[Completion]]


class Judge:
    """Grades worked tasks. min_score: the least mean of the four marks that is kept; None keeps all.

    by_schema: the answer is asked for by a JSON schema.
    """

    def __init__(self, config: RunConfig, *, by_schema: bool) -> None:
        settings = config.judge
        self._words = _wording("zh" if config.language == "zh" else "en")
        self._by_schema = by_schema
        self._sampling = SAMPLING if settings is None else settings.over(SAMPLING)
        self._min_score = None if settings is None else settings.min_score

    def prompt(self, instruction: str, instance: Instance) -> Prompt:
        """The question for the marks of one worked task."""
        words = self._words
        places = {
            "instruction": instruction.strip(),
            "input": instance.input.strip() or words["none"].strip(),
            "output": instance.output.strip(),
        }
        task = re.sub(r"\{(instruction|input|output)\}", lambda place: places[place[1]], words["task"])
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
        """The instances that are kept, their scores, and a verdict for each other one (it begins with its number).

        A judge that gives no marks leaves None; where a least score is set, such an instance is refused as 'unjudged'.
        """
        kept: list[Instance] = []
        scores: list[Scores | None] = []
        refused = []
        for number, instance in enumerate(instances, 1):
            found = await self.mark(instruction, instance, ask)
            verdict = self._verdict(number, found)
            if verdict is None:
                kept.append(instance)
                scores.append(found)
            else:
                refused.append(verdict)
        return tuple(kept), tuple(scores), refused

    async def mark(self, instruction: str, instance: Instance, ask: Ask) -> Scores | None:
        """The marks of one worked task, None where the judge gives none."""
        return read_scores(await ask(self.prompt(instruction, instance)))

    def _verdict(self, number: int, scores: Scores | None) -> Verdict | None:
        if self._min_score is None or (scores is not None and scores.mean >= self._min_score):
            return None
        if scores is None:
            return Verdict("unjudged", f"{number}: the judge gave no marks")
        marks = ", ".join(f"{name} {getattr(scores, name)}" for name in CRITERIA)
        return Verdict("low_score", f"{number}: {marks}; {scores.reason}", scores.mean)


def read_scores(completion: Completion) -> Scores | None:
    """The four marks of an answer, JSON or not; None where one is missing or not 1 to 5. Never raises."""
    if completion.error is not None:
        return None
    text = completion.text.rpartition("</think>")[2]
    marks = {name: found[1] for name, pattern in _MARK.items() if (found := pattern.search(text))}
    if len(marks) < len(CRITERIA):
        return None
    stated = _REASON.search(text)
    try:
        reason = " ".join(json.loads(stated[1], strict=False).split()) if stated else ""
    except ValueError:
        reason = ""
    values = {name: int(mark) for name, mark in marks.items()}
    return Scores(**values, reason=reason[:_REASON_CHARS], judge=completion.model)


@lru_cache
def rubric_digest() -> str:
    """The version of the rubric: stands in every question to a judge and in the config digest."""
    return hashlib.sha256(shipped_text(__package__, "rubric.yaml").encode()).hexdigest()[:12]


@lru_cache
def _wording(language: str) -> dict[str, str]:
    words: dict[str, str] = shipped_yaml(__package__, "rubric.yaml")[language]
    return words

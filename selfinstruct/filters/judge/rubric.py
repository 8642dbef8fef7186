"""Prompt a judge with the rubric and parse its marks; used while generating and by `judge-eval`.

The judge grades each answer on its own, on an absolute scale, so there is no position bias between two answers.
`judge-eval` measures its length bias; the docs name the other known biases.
"""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import fmean
from typing import Any

from ...config.run_config import RunConfig
from ...core.language_tags import load_wording_file
from ...core.prompts import Ask, Completion, Message, Prompt, Sampling
from ...core.reasoning import split_reasoning
from ...core.records import Example
from ...core.shipped import fill_in
from ...core.tasks import PASS, Candidate, Verdict
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


class Judge:
    """Grades answers, and rejects those with a mean mark below `judge.min_score`, if set.

    by_schema: whether to request the marks by a JSON schema.
    """

    def __init__(self, config: RunConfig, *, by_schema: bool) -> None:
        settings = config.judge
        self._words, self._version = load_wording_file(
            __package__, "rubric.yaml", config.language, config.answer_languages
        )
        self.by_schema = by_schema
        self._sampling = SAMPLING if settings is None else settings.over(SAMPLING)
        self._min_score = None if settings is None else settings.min_score

    def prompt(self, instruction: str, example: Example) -> Prompt:
        """Return the prompt that asks for the marks of the first response of `example`.

        In a dialogue, the conversation takes the place of the instruction.
        """
        words, given = self._words, example.input or ""
        if len(example.messages) > 1:
            instruction = "\n\n".join(f"[{each.role}]\n{each.content.strip()}" for each in example.messages)
        texts = {
            "instruction": instruction.strip(),
            "input": given.strip() or words["none"].strip(),
            "output": example.output.strip(),
        }
        return Prompt(
            purpose="judge",
            messages=(Message("system", words["system"]), Message("user", fill_in(words["task"], texts))),
            sampling=self._sampling,
            version=self._version,
            schema=SCHEMA if self.by_schema else None,
        )

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        """Return the marks of an answer, and an objection if they are too low or missing.

        With a minimum score, an answer without marks is rejected as 'unjudged'.
        """
        given = await self.mark(candidate.instruction, example, ask)
        if self._min_score is None or (given is not None and (given.score or 0.0) >= self._min_score):
            return given or PASS
        if given is None:
            return Verdict("unjudged", "the judge gave no marks")
        marks = ", ".join(f"{name} {mark:g}" for name, mark in given.marks.items())
        return replace(given, reason="low_score", detail=f"{marks}; {given.detail}")

    async def mark(self, instruction: str, example: Example, ask: Ask) -> Verdict | None:
        """Return the marks of the first response of `example`, or None if the judge gives none."""
        return read_scores(await ask(self.prompt(instruction, example)))


def read_scores(completion: Completion) -> Verdict | None:
    """Read the four marks of an answer, JSON or not; None if one is missing or unclear. Never raises.

    Returns a verdict without an objection: `score` is the mean of the marks, `detail` the judge's reason.
    """
    text = split_reasoning(completion.text)[1]  # the reasoning may discuss other marks
    # An answer that was cut off may be no more than a draft, unless it begins with JSON.
    if completion.error is not None or (completion.truncated and not _JSON.match(text)):
        return None
    marks, reason = read_marks(text)
    if len(marks) < len(CRITERIA):
        return None
    named = {name: float(marks[name]) for name in CRITERIA}
    return Verdict(None, reason[:_REASON_CHARS], fmean(named.values()), by=completion.model, marks=named)


def rubric_digest(config: RunConfig) -> str:
    """Return the version of the rubric, which is part of every prompt to a judge and of the config digest."""
    return load_wording_file(__package__, "rubric.yaml", config.language, config.answer_languages).digest

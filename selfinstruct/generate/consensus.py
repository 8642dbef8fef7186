"""Agreement among the answers to an open task: what several of them say independently is the likeliest to be right.

After self-consistency (Wang et al. 2022, arXiv 2203.11171). A task whose answers have nothing in common is one that the
teacher can't answer. Answers are compared by their words, their final values, or the tests that they pass.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..config.sections import AnswersConfig
from ..core.prompts import Ask, Message, Prompt, Sampling
from ..core.records import Example, GroundTruth, Response
from ..core.shipped import fill_in, shipped_text, shipped_yaml
from ..core.tasks import Verdict
from ..novelty import NoveltyIndex
from ..verifiers.dual_execution import dual_execution, function_of, read_tests
from ..verifiers.final_answer import final_answer, states_result
from ..verifiers.maths import group, with_optional_unit

MARK = "agreement"
LEAST_ANSWERS = 3
"""Fewer answers that passed the checks don't decide what is right."""
_FILE = "tests.yaml"
_PYTHON = re.compile(r"\bpython\b|\bfunction\b|\bdef\b|funktion|fonction|función|函数|関数|方法", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a comparison found about answers, in their order.

    marks: how far each agrees with the others, 0 to 1. objections: what is wrong with each, or None. truth: what they
    agree on, as far as a program can check it.
    """

    marks: Sequence[float]
    objections: Sequence[str | None]
    truth: GroundTruth | None = None


class Consensus:
    """Compares the answers to each example as `answers.agree_by` says. sampling: of the tests that are asked for."""

    def __init__(self, settings: AnswersConfig, sampling: Sampling) -> None:
        self._settings, self._sampling = settings, sampling
        self._least = settings.min_agreement or 0.0
        self._ask_for_tests: str = shipped_yaml(__package__, _FILE)["ask"]

    async def compare(
        self, example: Example, responses: Sequence[Response], ask: Ask
    ) -> tuple[list[Response], GroundTruth | None]:
        """Mark each response that passed with its agreement; one that lacks it gets the objection 'no_agreement'.

        Returns the responses, and the ground truth that they agree on.
        """
        passed = [each for each in responses if each.passed]
        agreed = await self._agreed(example, [each.text for each in passed], ask)
        found = iter(zip(agreed.marks, agreed.objections, strict=True))
        return [_marked(each, *next(found)) if each.passed else each for each in responses], agreed.truth

    async def _agreed(self, example: Example, texts: Sequence[str], ask: Ask) -> Agreed:
        task = "\n\n".join(message.content for message in example.messages if message.role == "user")
        by = self._settings.agree_by
        if by == "auto":
            by = "tests" if _PYTHON.search(task) and function_of(task, texts) else "text"
            by = "maths" if by == "text" and 2 * sum(map(states_result, texts)) > len(texts) else by
        if by == "text":
            return by_text(texts, self._least)
        if len(texts) < LEAST_ANSWERS:
            return _undecided(texts, f"{len(texts)} answers passed the checks; at least {LEAST_ANSWERS}")
        return await (self._by_maths(texts, ask) if by == "maths" else self._by_tests(task, texts, ask))

    async def _by_maths(self, texts: Sequence[str], ask: Ask) -> Agreed:
        """Compare final values. The key is the value of the largest group, with its unit if any of them has one."""
        groups, chosen = await group(texts, ask.run, self._least, minimum_count=2)
        if not groups:
            return _undecided(texts, "no answer states a result")
        keys = [(final_answer(texts[position], None) or "").rstrip(" .。!") for position in groups[0]]
        said = f"{len(keys)} of {len(texts)} answers agree on {keys[0]}"
        if chosen is None:
            is_tie = len(groups) > 1 and len(groups[1]) == len(keys)
            rival = final_answer(texts[groups[1][0]], None) if is_tie else None
            why = f"as many on {(rival or '').rstrip(' .。!')}" if is_tie else f"at least {self._least:g}"
            return _undecided(texts, f"{said}; {why}", groups[0])
        units = (re.fullmatch(r"(.*) \[(.*)\]", with_optional_unit(key)) for key in keys)
        united = next((each for each in units if each), None)
        expected = {"value": united[1], "unit": united[2]} if united else {"value": keys[0]}
        return _decided(texts, groups[0], GroundTruth("maths", json.dumps(expected, ensure_ascii=False), MARK))

    async def _by_tests(self, task: str, texts: Sequence[str], ask: Ask) -> Agreed:
        """Compare which tests the answers pass. The key is the inputs of these tests, with the results of the best."""
        function = function_of(task, texts)
        if function is None:
            return _undecided(texts, "most answers define no function of the same name")
        prompt = self.prompt(task, function)
        written = await asyncio.gather(*(ask(prompt, sample=k) for k in range(self._settings.test_sets)))
        sets = [read_tests("" if each.error else each.text, function) for each in written]
        found = await dual_execution(function, texts, sets, ask.run)
        if found.problem is None and len(found.best) >= self._least * len(texts):
            expected = {"language": "python", "function": function, "cases": found.cases}
            return _decided(texts, found.best, GroundTruth("code", json.dumps(expected, ensure_ascii=False), MARK))
        said = f"{len(found.best)} of {len(texts)} answers pass the same {len(found.cases)} tests"
        return _undecided(texts, found.problem or f"{said}; at least {self._least:g}", found.best)

    def prompt(self, task: str, function: str) -> Prompt:
        """Return the question for a set of tests."""
        text = fill_in(self._ask_for_tests, {"task": task, "function": function})
        version = hashlib.sha256(shipped_text(__package__, _FILE).encode()).hexdigest()[:12]
        return Prompt("tests", (Message("user", text),), self._sampling, version=version)


def by_text(texts: Sequence[str], least: float) -> Agreed:
    """Compare answers by their mean ROUGE-L F to the others."""
    if len(texts) < 2:
        return _undecided(texts, "no other answer passed the checks")
    index = NoveltyIndex(1.0)
    for number, each in enumerate(texts):
        index.admit(str(number), each)
    # The mean with all of them, without the text itself, which scores 1.
    means = [(index.most_similar(each, 1).mean * len(texts) - 1.0) / (len(texts) - 1) for each in texts]
    marks = [round(mean, 4) for mean in means]
    return Agreed(marks, [f"mean ROUGE-L {m:.2f}, at least {least:g}" if m < least else None for m in marks])


def _decided(texts: Sequence[str], best: Sequence[int], truth: GroundTruth) -> Agreed:
    marks = [round(len(best) / len(texts), 4) if position in best else 0.0 for position in range(len(texts))]
    return Agreed(marks, [None] * len(texts), truth)


def _undecided(texts: Sequence[str], why: str, best: Sequence[int] = ()) -> Agreed:
    marks = [round(len(best) / len(texts), 4) if position in best else 0.0 for position in range(len(texts))]
    return Agreed(marks, [why] * len(texts))


def _marked(response: Response, mark: float, objection: str | None) -> Response:
    verdicts = dict(response.verdicts)
    if objection is not None:
        verdicts[MARK] = Verdict("no_agreement", objection, score=mark)
    return replace(response, verdicts=verdicts, marks={MARK: mark})

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
        self._ask_for_tests: str = shipped_yaml(__package__, _FILE)["ask"]

    async def compare(
        self, example: Example, responses: Sequence[Response], ask: Ask
    ) -> tuple[list[Response], GroundTruth | None]:
        """Mark each response that passed with its agreement; one that lacks it gets the objection 'no_agreement'.

        Returns the responses, and the ground truth that they agree on.
        """
        texts = [each.text for each in responses if each.passed]
        task = "\n\n".join(message.content for message in example.messages if message.role == "user")
        by = self._way(task, texts)
        least = self._settings.least_agreement(by)
        if by == "text":
            agreed = by_text(texts, least)
        elif len(texts) < LEAST_ANSWERS:
            agreed = _agreed(texts, (), f"{len(texts)} answers passed the checks; at least {LEAST_ANSWERS}")
        else:
            agreed = await (by_maths(texts, least, ask) if by == "maths" else self._by_tests(task, texts, least, ask))
        found = iter(zip(agreed.marks, agreed.objections, strict=True))
        return [_marked(each, *next(found)) if each.passed else each for each in responses], agreed.truth

    def _way(self, task: str, texts: Sequence[str]) -> str:
        """Return how to compare the answers to a task: 'text', 'maths', or 'tests'."""
        if self._settings.agree_by != "auto":
            return self._settings.agree_by
        if _PYTHON.search(task) and function_of(task, texts):
            return "tests"
        return "maths" if 2 * sum(map(states_result, texts)) > len(texts) else "text"

    async def _by_tests(self, task: str, texts: Sequence[str], least: float, ask: Ask) -> Agreed:
        """Compare which tests the answers pass. The key is the inputs of these tests, with the results of the best."""
        function = function_of(task, texts)
        if function is None:
            return _agreed(texts, (), "most answers define no function of the same name")
        prompt = self.prompt(task, function)
        written = await asyncio.gather(*(ask(prompt, sample=k) for k in range(self._settings.test_sets)))
        sets = [read_tests("" if each.error else each.text, function) for each in written]
        found = await dual_execution(function, texts, sets, ask.run)
        said = f"{len(found.best)} of {len(texts)} answers pass the same {len(found.cases)} tests; at least {least:g}"
        if found.problem or len(found.best) < least * len(texts):
            return _agreed(texts, found.best, found.problem or said)
        # As ASCII: a literal may have characters that no file can keep.
        expected = json.dumps({"language": "python", "function": function, "cases": found.cases})
        return _agreed(texts, found.best, truth=GroundTruth("code", expected, MARK))

    def prompt(self, task: str, function: str) -> Prompt:
        """Return the question for a set of tests."""
        text = fill_in(self._ask_for_tests, {"task": task, "function": function})
        version = hashlib.sha256(shipped_text(__package__, _FILE).encode()).hexdigest()[:12]
        return Prompt("tests", (Message("user", text),), self._sampling, version=version)


def by_text(texts: Sequence[str], least: float) -> Agreed:
    """Compare answers by their mean ROUGE-L F to the others."""
    if len(texts) < 2:
        return _agreed(texts, (), "no other answer passed the checks")
    index = NoveltyIndex(1.0)
    for number, each in enumerate(texts):
        index.admit(str(number), each)
    # The mean with all of them, without the text itself, which scores 1.
    means = [(index.most_similar(each, 1).mean * len(texts) - 1.0) / (len(texts) - 1) for each in texts]
    marks = [round(mean, 4) for mean in means]
    return Agreed(marks, [f"mean ROUGE-L {m:.2f}, at least {least:g}" if m < least else None for m in marks])


async def by_maths(texts: Sequence[str], least: float, ask: Ask) -> Agreed:
    """Compare final values. The key is the value of the largest group, with its unit if any of them has one."""
    groups, chosen = await group(texts, ask.run, least, minimum_count=2)
    if not groups:
        return _agreed(texts, (), "no answer states a result")
    values = [[(final_answer(texts[at], None) or "").rstrip(" .。!") for at in each] for each in groups[:2]]
    if chosen is None:
        is_tie = len(groups) > 1 and len(values[0]) == len(values[1])
        why = f"as many on {values[1][0]}" if is_tie else f"at least {least:g}"
        return _agreed(texts, groups[0], f"{len(values[0])} of {len(texts)} answers agree on {values[0][0]}; {why}")
    units = (re.fullmatch(r"(.*) \[(.*)\]", with_optional_unit(value)) for value in values[0])
    united = next((each for each in units if each), None)
    expected = {"value": united[1], "unit": united[2]} if united else {"value": values[0][0]}
    return _agreed(texts, groups[0], truth=GroundTruth("maths", json.dumps(expected, ensure_ascii=False), MARK))


def _agreed(
    texts: Sequence[str], best: Sequence[int], why: str | None = None, truth: GroundTruth | None = None
) -> Agreed:
    """best: the positions of the texts that agree most. why: what is wrong with all of them, if nothing is decided."""
    share = round(len(best) / max(len(texts), 1), 4)
    return Agreed([share if at in best else 0.0 for at in range(len(texts))], [why] * len(texts), truth)


def _marked(response: Response, mark: float, objection: str | None) -> Response:
    verdicts = dict(response.verdicts)
    if objection is not None:
        verdicts[MARK] = Verdict("no_agreement", objection, score=mark)
    return replace(response, verdicts=verdicts, marks={MARK: mark})

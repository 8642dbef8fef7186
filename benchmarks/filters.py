"""What the quality filters cost in CPU time: microseconds a candidate or an answer, seconds for the evaluation sets.

    python benchmarks/filters.py [--questions 10000] [--candidates 52000]

Texts are made by `corpora.py`: questions of four sentences, candidates of one, half of them with an input of three, and
one in a hundred with a question for it. Answers are of three sentences, one in ten with an equation, a number or code.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corpora import make_corpus

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Candidate, Verdict
from selfinstruct.filters import ANSWER_CHECKS, AnswerCheck, rules_of
from selfinstruct.filters.contamination import Contaminated
from selfinstruct.filters.evaluation_sets import Overlap, load_sets
from selfinstruct.filters.language import Language
from selfinstruct.filters.personal import PersonalData

TASK = Candidate("Tell me more of it.")
EXTRAS = (
    "So 12 * 3 = 36.",
    "Call (415) 867-5309 for more.",
    "```python\nfor n in range(3):\n    print(n)\n```\nIt prints three lines.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=52_000)
    options = parser.parse_args()
    for language in ("en", "zh"):
        print(f"{language}: {options.questions:,} questions, {options.candidates:,} candidates")
        questions = _joined(make_corpus(language, 4 * options.questions, 0.0, 3), 4)
        candidates = _candidates(language, options.candidates, questions)
        _decontaminate(questions, candidates)
        few = candidates[: min(5000, len(candidates))]
        personal, wanted = PersonalData(language), Language([language])
        _time("personal_data, candidates", personal.check, few)
        wanted.check(few[0])
        _time("languages, candidates", wanted.check, few)
        answers = _answers(_joined(make_corpus(language, 3 * len(few), 0.0, 4), 3))
        for name, build in ANSWER_CHECKS.items():
            _time(f"{name}, answers", _checking(build()), answers)
        print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _decontaminate(questions: Sequence[str], candidates: Sequence[Candidate]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.jsonl"
        path.write_text("".join(json.dumps({"question": text}) + "\n" for text in questions), encoding="utf-8")
        start = time.process_time()
        sets = load_sets([str(path)], rules_of(RunConfig(seeds="-", run_dir="-")).eval_columns)
        read = time.process_time() - start
    start = time.process_time()
    contaminated = Contaminated(Overlap(sets.questions))
    built = time.process_time() - start
    contaminated.check(candidates[0])
    print(f"  {'sets read, index built':<32} {read:5.2f} s, {built:.2f} s")
    hits = _time("contaminated, candidates", contaminated.check, candidates)
    print(f"  {'  of them refused':<32} {hits:,}")


def _time(name: str, check: Callable[[Any], Any], texts: Sequence[Any]) -> int:
    start, refused = time.process_time(), 0
    for text in texts:
        refused += not check(text).ok
    seconds = time.process_time() - start
    print(f"  {name:<32} {1e6 * seconds / len(texts):7.1f} µs each")
    return refused


def _candidates(language: str, size: int, questions: Sequence[str]) -> list[Candidate]:
    texts = make_corpus(language, size, 0.25, 5)
    inputs = _joined(make_corpus(language, 3 * size, 0.0, 6), 3)
    found = []
    for number, text in enumerate(texts):
        given = inputs[number] if number % 2 else ""
        found.append(Candidate(text, questions[number % len(questions)] if number % 100 == 1 else given))
    return found


def _answers(texts: Sequence[str]) -> list[Example]:
    outputs = [
        f"{text}\n{EXTRAS[number // 10 % len(EXTRAS)]}" if number % 10 == 0 else text
        for number, text in enumerate(texts)
    ]
    return [Example.of(TASK.instruction, "", Response(output)) for output in outputs]


def _checking(check: AnswerCheck) -> Callable[[Example], Verdict]:
    """A check as a plain function: one that asks nothing never waits, so it ends at its first step."""

    def verdict(answer: Example) -> Verdict:
        try:
            check.check_answer(TASK, answer, _no_ask).send(None)
        except StopIteration as done:
            given: Verdict = done.value
            return given
        raise AssertionError("waits")

    return verdict


async def _no_ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
    raise AssertionError("nothing may be asked")


def _joined(texts: Sequence[str], size: int) -> list[str]:
    return [" ".join(texts[first : first + size]) for first in range(0, len(texts) - size + 1, size)]


if __name__ == "__main__":
    main()

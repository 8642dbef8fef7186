"""The verifier 'constraints', and `attach`, which adds constraints to a task; all are data, in `constraints.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

from ..core.programs import Run
from ..core.records import GroundTruth
from ..core.shipped import fill_in, shipped_yaml
from ..core.tasks import PASS, Verdict
from .expressions import evaluate, holds, number_range
from .measures import MEASURES, Measured, count_words

HELD_OUT = ("letters", "numbers")
"""Families that no task gets unless asked for, so that a model trained on the others can be tested with them."""
MOST_CHARACTERS = 20_000
"""Longer answers aren't read."""
LANGUAGES = ("en", "zh")
"""The languages in which constraints are worded."""
_SHORT = {"en": 20, "zh": 40}
"""Words of an answer below which its task asks for something short: a name, a number, a yes."""
_PROSE = 50
"""Words of an answer from which on it has room for paragraphs."""
_RESERVED = frozenset("family check fits literal forbids names".split()) | frozenset(LANGUAGES)
_NAME = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint on an answer: its name in `constraints.yaml`, and its parameters, such as {"n": 40}."""

    name: str
    parameters: Mapping[str, Any]

    def problem(self, text: str) -> str | None:
        """Say in one line why a text violates the constraint, or return None."""
        check = _entries()[self.name]["check"]
        measured = Measured(text, self.parameters)
        if holds(check, measured):
            return None
        given = ", ".join(f"{name} {value!r}" for name, value in self.parameters.items())
        found = ", ".join(
            f"{name} {float(measured[name]):g}" for name in dict.fromkeys(_NAME.findall(check)) if name in MEASURES
        )
        return f"{self.name}{f' ({given})' if given else ''}: {found}"

    def worded(self, random: Random, language: str) -> str:
        """Return one of the constraint's sentences."""
        entry = _entries()[self.name]
        names = entry.get("names", {})
        return fill_in(
            random.choice(entry[language]),
            {key: str(names.get(value, value)) for key, value in self.parameters.items()},
        )


async def verify(expected: Any, answer: str, run: Run) -> Verdict:
    """Check that an answer meets all constraints of a task.

    Args:
        expected: {"constraints": [{"name": "words_at_least", "n": 40}, ...]}; each may have the "text" of the task.
        answer: What the teacher wrote; any text.
        run: Not used.
    """
    if len(answer) > MOST_CHARACTERS:
        return Verdict("wrong_answer", f"more than {MOST_CHARACTERS:,} characters")
    if not answer.strip():
        return Verdict("wrong_answer", "the answer is empty")
    for _, problem in _problems(expected, answer):
        return Verdict("wrong_answer", problem[:200])
    return PASS


def reminder(expected: Any, answer: str, language: str) -> str:
    """Return what to add to a task whose answer isn't right: the first constraint that it violates, as the task has it.

    Empty if there is none, or if the ground truth, as `verify` gets it, has no texts.
    """
    texts = (given["text"] for given, _ in _problems(expected, answer[:MOST_CHARACTERS]) if "text" in given)
    wording = _data()["reminder"].get(language) or _data()["reminder"]["en"]
    return next((fill_in(wording, {"text": text}) for text in texts), "")


def _problems(expected: Any, answer: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each constraint that an answer violates, as the ground truth has it, and what is wrong."""
    if not expected["constraints"]:
        raise ValueError("no constraints")
    for given in expected["constraints"]:
        parameters = {name: value for name, value in given.items() if name not in ("name", "text")}
        if problem := Constraint(given["name"], parameters).problem(answer):
            yield given, problem


def attach(
    instruction: str,
    random: Random,
    language: str,
    count: int = 1,
    kind: str | None = None,
    held_out: Collection[str] = HELD_OUT,
    stated: Sequence[Constraint] = (),
) -> tuple[str, GroundTruth]:
    """Add constraints to an instruction.

    Args:
        instruction: The task; it should leave the form of the answer open.
        random: Draws constraints, parameters, and wordings.
        language: 'en' or 'zh', in which the constraints are worded.
        count: How many constraints, 1 to 5; fewer if no more fit together.
        kind: The kind of task: 'prose', 'list', or 'letter'; None if unknown, for constraints that fit every kind.
        held_out: Families that aren't used.
        stated: What the instruction itself asks of the form; no constraint conflicts with it.

    Returns:
        The instruction with the constraints, and the ground truth for `verify`.
    """
    names = [
        name
        for name, entry in _entries().items()
        if language in entry and entry["family"] not in held_out and ("fits" not in entry or kind in entry["fits"])
    ]
    chosen: list[Constraint] = []
    for name in random.sample(names, len(names)):
        constraint = Constraint(name, draw_parameters(name, random, language, instruction))
        if len(chosen) < count and not any(conflict(constraint, other) for other in (*stated, *chosen)):
            chosen.append(constraint)
    sentences = [constraint.worded(random, language) for constraint in chosen]
    if len(sentences) > 2:
        added = "\n".join([random.choice(_data()["leads"][language]), *(f"- {sentence}" for sentence in sentences)])
    else:
        added = ("" if language == "zh" else " ").join(sentences)
    worded = zip(chosen, sentences, strict=True)
    expected = {"constraints": [{"name": each.name, **each.parameters, "text": text} for each, text in worded]}
    return f"{instruction}\n\n{added}", GroundTruth("constraints", json.dumps(expected, ensure_ascii=False))


def leaves_form_open(instruction: str, language: str, answer: str) -> bool:
    """Return whether constraints suit a task: it names no form of its own, and its answer isn't short or code.

    answer: the answer that came with the task; empty if there is none.
    """
    if "```" in answer or re.search(_data()["own_form"][language], instruction, re.IGNORECASE):
        return False
    return not answer or count_words(answer) >= _SHORT[language]


def kind_of(answer: str) -> str | None:
    """Return the kind of task, as `attach` takes it, that an answer suggests; None for a short answer, or none."""
    if MEASURES["bullets"](answer, {}) + MEASURES["numbered"](answer, {}) > 1:
        return "list"
    return "prose" if count_words(answer) >= _PROSE else None


def draw_parameters(name: str, random: Random, language: str, request: str = "") -> dict[str, Any]:
    """Draw the parameters of a constraint."""
    drawn: dict[str, Any] = {}
    for parameter, spec in _entries()[name].items():
        if parameter in _RESERVED:
            continue
        spec = spec[language] if isinstance(spec, dict) else spec
        if spec == "request":
            drawn[parameter] = request
        elif isinstance(spec, list):
            drawn[parameter] = random.choice(spec)
        elif spec.startswith("="):
            drawn[parameter] = int(evaluate(spec[1:].strip(), {key: Fraction(value) for key, value in drawn.items()}))
        else:
            drawn[parameter] = int(random.choice(number_range(spec)))
    return drawn


def conflict(one: Constraint, other: Constraint) -> bool:
    """Return whether two constraints can't both hold: by their measures, a text that one forbids, or the table."""
    if _measures(one.name) & _measures(other.name):
        return True
    if any(_forbids(a, b) for a, b in ((one, other), (other, one))):
        return True
    for a, b in ((one, other), (other, one)):
        for condition in _conflicts().get((a.name, b.name), ()):
            values = {f"a_{key}": Fraction(value) for key, value in a.parameters.items() if isinstance(value, int)}
            values |= {f"b_{key}": Fraction(value) for key, value in b.parameters.items() if isinstance(value, int)}
            if holds(condition, values):
                return True
    return False


def _forbids(one: Constraint, other: Constraint) -> bool:
    """Return whether the text that a constraint demands violates another one: 'P.S.' has capital letters."""
    literal = fill_in(
        _entries()[other.name].get("literal", ""), {key: str(value) for key, value in other.parameters.items()}
    )
    if not literal or not _entries()[one.name].get("forbids"):
        return False
    measured = Measured(literal, one.parameters)
    # What a check demands besides, such as `and capitals >= 1`, the rest of the text can have.
    check = re.sub(r" and \w+ >= \w+", "", _entries()[one.name]["check"].replace("== n", "<= n"))
    return not holds(check, measured)


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return dict(_data()["constraints"])


@cache
def _data() -> Any:
    return shipped_yaml(__package__, "constraints.yaml")


@cache
def _measures(name: str) -> frozenset[str]:
    return frozenset(_NAME.findall(_entries()[name]["check"])) & MEASURES.keys()


@cache
def _conflicts() -> dict[tuple[str, str], list[str]]:
    """Return the conditions under which each pair conflicts; an empty one always holds."""
    table: dict[tuple[str, str], list[str]] = {}
    for row in _data()["conflicts"]:
        for a in row["a"]:
            for b in row["b"]:
                table.setdefault((a, b), []).append(row.get("when", ""))
    return table


def families() -> dict[str, list[str]]:
    """Return the names of the constraints by family."""
    found: dict[str, list[str]] = {}
    for name, entry in _entries().items():
        found.setdefault(entry["family"], []).append(name)
    return found

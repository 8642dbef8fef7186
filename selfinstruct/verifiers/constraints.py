"""The verifier 'constraints', and `attach`, which adds constraints to a task; all are data, in `constraints.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
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
from .measures import MEASURES, Measured

HELD_OUT = ("letters", "numbers")
"""Families that no task gets unless asked for, so that a model trained on the others can be tested with them."""
MOST_CHARACTERS = 20_000
"""Longer answers aren't read."""
_MOST_TRIES = 200
_LANGUAGES = ("en", "zh")
_RESERVED = frozenset("family check fits literal forbids names".split()) | frozenset(_LANGUAGES)
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
        expected: {"constraints": [{"name": "words_at_least", "n": 40}, ...]}
        answer: What the teacher wrote; any text.
        run: Not used.
    """
    if len(answer) > MOST_CHARACTERS:
        return Verdict("wrong_answer", f"more than {MOST_CHARACTERS:,} characters")
    if not answer.strip():
        return Verdict("wrong_answer", "the answer is empty")
    for given in expected["constraints"]:
        constraint = Constraint(given["name"], {name: value for name, value in given.items() if name != "name"})
        if problem := constraint.problem(answer):
            return Verdict("wrong_answer", problem[:200])
    return PASS


def attach(
    instruction: str,
    random: Random,
    language: str,
    count: int = 1,
    kind: str | None = None,
    held_out: Collection[str] = HELD_OUT,
) -> tuple[str, GroundTruth]:
    """Add constraints to an instruction.

    Args:
        instruction: The task; it should leave the form of the answer open.
        random: Draws constraints, parameters, and wordings.
        language: 'en' or 'zh', in which the constraints are worded.
        count: How many constraints, 1 to 5; fewer if no more fit together.
        kind: The kind of task: 'prose', 'list', or 'letter'; None if unknown, for constraints that fit every kind.
        held_out: Families that aren't used.

    Returns:
        The instruction with the constraints, and the ground truth for `verify`.
    """
    chosen = choose(instruction, random, language, count, kind, held_out)
    sentences = [constraint.worded(random, language) for constraint in chosen]
    if len(sentences) > 2:
        lead = "请遵守以下要求：" if language == "zh" else "Follow these rules:"
        added = "\n".join([lead, *(f"- {sentence}" for sentence in sentences)])
    else:
        added = ("" if language == "zh" else " ").join(sentences)
    expected = {"constraints": [{"name": each.name, **each.parameters} for each in chosen]}
    return f"{instruction}\n\n{added}", GroundTruth("constraints", json.dumps(expected, ensure_ascii=False))


def choose(
    instruction: str, random: Random, language: str, count: int, kind: str | None, held_out: Collection[str]
) -> list[Constraint]:
    """Draw constraints that can all hold at once."""
    entries = {
        name: entry
        for name, entry in _entries().items()
        if language in entry and entry["family"] not in held_out and ("fits" not in entry or kind in entry["fits"])
    }
    chosen: list[Constraint] = []
    for name in random.sample(list(entries), len(entries)):
        constraint = Constraint(name, draw_parameters(name, random, language, instruction))
        if not any(conflict(constraint, other) for other in chosen):
            chosen.append(constraint)
        if len(chosen) == count:
            break
    return chosen


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
    return not holds(_entries()[one.name]["check"].replace("== n", "<= n"), measured)


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return dict(shipped_yaml(__package__, "constraints.yaml")["constraints"])


@cache
def _measures(name: str) -> frozenset[str]:
    return frozenset(_NAME.findall(_entries()[name]["check"])) & MEASURES.keys()


@cache
def _conflicts() -> dict[tuple[str, str], list[str]]:
    """Return the conditions under which each pair conflicts; an empty one always holds."""
    table: dict[tuple[str, str], list[str]] = {}
    for row in shipped_yaml(__package__, "constraints.yaml")["conflicts"]:
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

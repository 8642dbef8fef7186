"""Attaches constraints on the form of the answer to a share of the admitted tasks, whatever strategy they are from.

Novelty has compared the task without them. The answer that came with the task is given up for one that the verifier
'constraints' accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ..config.run_config import RunConfig
from ..config.sections import AnswersConfig
from ..core.language_tags import primary
from ..core.records import Example
from ..core.tasks import Candidate
from ..filters.unusable import stated_counts
from ..verifiers.constraints import HELD_OUT, Constraint, attach, kind_of, leaves_form_open

_UNSUITED = (*HELD_OUT, "keywords", "language")
"""Families that no task gets: a word that any task must mention fits few of them, and filters decide on languages."""
# What a count in a task means in terms of constraints: items may be bullets or numbered.
_STATED = {
    "sentences": ("sentences_exactly",),
    "words": ("words_at_most",),
    "items": ("bullets_exactly", "numbered_exactly"),
}


def constrained(
    config: RunConfig, candidate: Candidate, examples: Sequence[Example], place: str
) -> tuple[Candidate, Sequence[Example]]:
    """Return a task and its examples with constraints and without answers, or unchanged.

    Tasks that fix the form of their answer, or work on an input, keep their answers; so do those with evidence or a
    ground truth.

    Args:
        config: The section `answers` says how many tasks get constraints.
        candidate: The admitted task.
        examples: What the task became.
        place: The place of the task in the run; decides, with the random seed, what is drawn.
    """
    settings, language = config.answers or AnswersConfig(), primary(config.language)
    draw = Random(f"{config.random_seed}:constraints:{place}")
    if (
        not examples
        or draw.random() >= settings.constrained
        or not all(_is_open(candidate, each, language) for each in examples)
    ):
        return candidate, examples
    counts = stated_counts(candidate.instruction, language)
    stated = [Constraint(name, {"n": count}) for kind, count, _ in counts for name in _STATED[kind]]
    count, kind = draw.randint(1, settings.most_constraints), kind_of(_answer(examples[0]))
    instruction, truth = attach(candidate.instruction, draw, language, count, kind, _UNSUITED, stated)
    told = [replace(Example.of(instruction, ""), ground_truth=truth) for _ in examples]
    return replace(candidate, instruction=instruction, output=None), told


def _is_open(candidate: Candidate, example: Example, language: str) -> bool:
    """Return whether constraints suit an example: the task alone, without an input, evidence, or ground truth."""
    told = Example.of(candidate.instruction, "").messages
    if example.given or example.evidence or example.ground_truth or example.messages != told:
        return False
    return leaves_form_open(candidate.instruction, language, _answer(example))


def _answer(example: Example) -> str:
    return example.responses[0].text if example.responses else ""

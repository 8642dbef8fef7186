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
from ..verifiers.constraints import Constraint, attach, leaves_form_open

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

    Examples with evidence or a ground truth keep their answers, and so do tasks that fix the form of their answer.

    Args:
        config: The section `answers` says how many tasks get constraints.
        candidate: The admitted task.
        examples: What the task became.
        place: The place of the task in the run; decides, with the random seed, what is drawn.
    """
    settings, language = config.answers or AnswersConfig(), primary(config.language)
    draw = Random(f"{config.random_seed}:constraints:{place}")
    if draw.random() >= settings.constrained or not all(_is_open(candidate, each, language) for each in examples):
        return candidate, examples
    counts = stated_counts(candidate.instruction, language)
    stated = [Constraint(name, {"n": count}) for kind, count, _ in counts for name in _STATED[kind]]
    count = draw.randint(1, settings.most_constraints)
    instruction, truth = attach(candidate.instruction, draw, language, count, stated=stated)
    told = [replace(Example.of(instruction, each.given), input=each.input, ground_truth=truth) for each in examples]
    return replace(candidate, instruction=instruction, output=None), told


def _is_open(candidate: Candidate, example: Example, language: str) -> bool:
    """Return whether constraints suit an example: one turn, of which nothing is known but its answer, if that."""
    if (
        example.evidence
        or example.ground_truth
        or example.messages != Example.of(candidate.instruction, example.given).messages
    ):
        return False
    answer = example.responses[0].text if example.responses else ""
    return leaves_form_open(candidate.instruction, language, answer)

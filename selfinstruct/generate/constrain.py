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
    """Return a task and its example with constraints and without an answer, or unchanged.

    Tasks that fix the form of their answer, or work on an input, keep their answers; so do those with several examples,
    evidence, or a ground truth.

    Args:
        config: The section `answers` says how many tasks get constraints.
        candidate: The admitted task.
        examples: What the task became.
        place: The place of the task in the run; decides, with the random seed, what is drawn.
    """
    settings, language, task = config.answers or AnswersConfig(), primary(config.language), candidate.instruction
    if not settings.constrained or len(examples) != 1:
        return candidate, examples
    draw, [example] = Random(f"{config.random_seed}:constraints:{place}"), examples
    answer = example.responses[0].text if example.responses else ""
    is_plain = example == Example.of(task, "", *example.responses)  # no input, evidence, or ground truth
    if draw.random() >= settings.constrained or not is_plain or not leaves_form_open(task, language, answer):
        return candidate, examples
    counts = stated_counts(task, language)
    stated = [Constraint(name, {"n": count}) for kind, count, _ in counts for name in _STATED[kind]]
    count = draw.randint(1, settings.most_constraints)
    instruction, truth = attach(task, draw, language, count, kind_of(answer), _UNSUITED, stated)
    told = replace(Example.of(instruction, ""), ground_truth=truth)
    return replace(candidate, instruction=instruction, output=None), [told]

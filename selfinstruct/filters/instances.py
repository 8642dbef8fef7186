"""Step 4 of Self-Instruct: which of a task's instances are kept, and whether the task is.

Published (`prepare_for_finetuning.py`): of an answer that the token limit cut, the last instance is
dropped; so is one whose output is empty or equals its input, one of which either part ends in a colon
(cut off), and a duplicate. The same input, where there is one, with different outputs drops the whole task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ..core.tasks import PASS, Instance, Verdict


class AnswerCheck(Protocol):
    """A check of one instance, beyond the published ones."""

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        """`PASS`, or a verdict that names its reason in snake_case."""


def keep_instances(
    instances: Sequence[Instance], truncated: bool, instruction: str = "", checks: Sequence[AnswerCheck] = ()
) -> tuple[tuple[Instance, ...], list[Verdict]]:
    """The instances to keep, in order, and a verdict for each one refused (its `detail` begins with its number).

    Blanks around a text don't make it another. What passes as published goes through `checks`, told the
    instruction. With nothing left the task is incomplete; the last verdict then says why.
    """
    verdicts = [_first_objection(instruction, instance, checks) for instance in instances]
    if truncated and verdicts:
        verdicts[-1] = Verdict("truncated")
    outputs: dict[str, set[str]] = {}
    clash = 0
    for number, instance in enumerate(instances):
        if not verdicts[number].ok:
            continue
        known = outputs.setdefault(instance.input.strip(), set())
        output = instance.output.strip()
        if output in known:
            verdicts[number] = Verdict("duplicate_instance")
        elif known and instance.input.strip():
            clash = clash or number + 1
        known.add(output)
    refused = [
        replace(verdict, detail=f"{number}{': ' if verdict.detail else ''}{verdict.detail}")
        for number, verdict in enumerate(verdicts, 1)
        if not verdict.ok
    ]
    if clash:
        return (), [*refused, Verdict("conflicting_outputs", f"{clash}: the same input has two outputs")]
    kept = tuple(instance for instance, verdict in zip(instances, verdicts, strict=True) if verdict.ok)
    return kept, refused or ([] if instances else [Verdict("no_instance")])


def _first_objection(instruction: str, instance: Instance, checks: Sequence[AnswerCheck]) -> Verdict:
    verdict = _check(instance)
    for check in checks:
        if not verdict.ok:
            break
        verdict = check.check_instance(instruction, instance)
    return verdict


def _check(instance: Instance) -> Verdict:
    given, output = instance.input.strip(), instance.output.strip()
    if not output:
        return Verdict("empty_output")
    if output == given:
        return Verdict("output_equals_input")
    for name, text in (("input", given), ("output", output)):
        if text.endswith((":", "：")):
            return Verdict("ends_in_colon", name)
    return PASS

"""Step 4 of Self-Instruct: decide which instances of a task to keep, and whether to keep the task.

The published rules (`prepare_for_finetuning.py`) drop an instance that is

* the last one of an answer that the token limit cut,
* without output, or with an output equal to its input,
* cut off: its input or output ends in a colon,
* a duplicate.

Two different outputs for the same non-empty input drop the whole task.
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
    """Apply the published rules, then `checks`, to the instances of one task.

    Args:
        instances: The instances of the answer, in order. Surrounding whitespace is ignored in comparisons.
        truncated: Whether the token limit cut the answer inside the last instance.
        instruction: The task's instruction, passed to `checks`.
        checks: Further checks, for instances that pass the published rules.

    Returns:
        The instances to keep, in order, and a verdict per rejected instance, whose `detail` begins with the
        instance's number, counted from 1. Without any instance to keep, the task is incomplete.
    """
    verdicts = [_first_objection(instruction, instance, checks) for instance in instances]
    if truncated and verdicts:
        verdicts[-1] = Verdict("truncated")
    # Compare each instance with the earlier ones that have the same input.
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
    # Number the verdicts, and drop the whole task if two outputs contradict each other.
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
    verdict = _check_published(instance)
    for check in checks:
        if not verdict.ok:
            break
        verdict = check.check_instance(instruction, instance)
    return verdict


def _check_published(instance: Instance) -> Verdict:
    given, output = instance.input.strip(), instance.output.strip()
    if not output:
        return Verdict("empty_output")
    if output == given:
        return Verdict("output_equals_input")
    for name, text in (("input", given), ("output", output)):
        if text.endswith((":", "：")):  # 'Here is the list:', and nothing after it
            return Verdict("ends_in_colon", name)
    return PASS

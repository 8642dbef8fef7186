"""Step 4 of Self-Instruct: which of a task's instances are kept, and whether the task is.

Published: an output that is empty or equals its input is dropped, so is one that ends in a colon
(cut off), and a duplicate; the same input with different outputs drops the whole task; of an answer that the
token limit cut, the last instance is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..schema import PASS, Instance, Verdict


def keep_instances(instances: Sequence[Instance], truncated: bool) -> tuple[tuple[Instance, ...], list[Verdict]]:
    """The instances to keep, in order, and a verdict for each one refused (its `detail` begins with its number).

    With nothing left the task is incomplete; the last verdict then says why.
    """
    verdicts = [_check(instance) for instance in instances]
    if truncated and verdicts:
        verdicts[-1] = Verdict("truncated")
    seen: dict[str, str] = {}
    for number, instance in enumerate(instances):
        if not verdicts[number].ok:
            continue
        first = seen.get(instance.input)
        if first is None:
            seen[instance.input] = instance.output
        elif first == instance.output:
            verdicts[number] = Verdict("duplicate_instance")
        else:
            clash = Verdict("conflicting_outputs", f"{number + 1}: the same input has two outputs")
            return (), [clash]
    kept = tuple(instance for instance, verdict in zip(instances, verdicts, strict=True) if verdict.ok)
    refused = [
        Verdict(verdict.reason, f"{number}{': ' if verdict.detail else ''}{verdict.detail}")
        for number, verdict in enumerate(verdicts, 1)
        if not verdict.ok
    ]
    return kept, refused or ([] if instances else [Verdict("no_instance")])


def _check(instance: Instance) -> Verdict:
    output = instance.output.strip()
    if not output:
        return Verdict("empty_output")
    if output == instance.input.strip():
        return Verdict("output_equals_input")
    for name, text in (("input", instance.input.strip()), ("output", output)):
        if text.endswith((":", "：")):
            return Verdict("ends_in_colon", name)
    return PASS

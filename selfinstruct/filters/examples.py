"""Step 4 of Self-Instruct: decide which examples of a task to keep, and whether to keep the task.

The published rules (`prepare_for_finetuning.py`) drop an example that is

* the last one of an answer that the token limit cut,
* without output, or with an output equal to its input,
* cut off: its input or output ends in a colon,
* a duplicate.

Two different outputs for the same non-empty input drop the whole task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.records import Example
from ..core.tasks import PASS, Verdict


def check_published(example: Example) -> Verdict:
    """Apply the published rules that look at one example alone."""
    given, output = example.given.strip(), example.output.strip()
    if not output:
        return Verdict("empty_output")
    if output == given:
        return Verdict("output_equals_input")
    for name, text in (("input", given), ("output", output)):
        if text.endswith((":", "：")):  # 'Here is the list:', and nothing after it
            return Verdict("ends_in_colon", name)
    return PASS


def keep_examples(
    examples: Sequence[Example], objections: Sequence[Verdict]
) -> tuple[tuple[Example, ...], list[Verdict]]:
    """Decide which examples of a task to keep, by the published rules that compare them with each other.

    Args:
        examples: The examples in order. White space around texts is ignored in comparisons.
        objections: For each example, the verdict that rejects it, or `PASS`.

    Returns:
        The examples to keep, in order, and a verdict per rejected example, whose `detail` begins with the example's
        number, counted from 1. Without any example to keep, the task is incomplete.
    """
    verdicts = list(objections)
    # Compare each example with the earlier ones that have the same input.
    outputs: dict[str, set[str]] = {}
    clash = 0
    for place, example in enumerate(examples):
        if not verdicts[place].ok:
            continue
        given, output = example.given.strip(), example.output.strip()
        known = outputs.setdefault(given, set())
        if output in known:
            verdicts[place] = Verdict("duplicate_instance")
        elif known and given:
            clash = clash or place + 1
        known.add(output)
    # Number the verdicts, and drop the whole task if two outputs contradict each other.
    refused = [
        replace(verdict, detail=f"{number}{': ' if verdict.detail else ''}{verdict.detail}")
        for number, verdict in enumerate(verdicts, 1)
        if not verdict.ok
    ]
    if clash:
        return (), [*refused, Verdict("conflicting_outputs", f"{clash}: the same input has two outputs")]
    kept = tuple(example for example, verdict in zip(examples, verdicts, strict=True) if verdict.ok)
    return kept, refused or ([] if examples else [Verdict("no_instance")])

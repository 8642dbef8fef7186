"""`verify` and `reward`: check answers to the rows of a dataset, as a trainer's reward function does.

Nothing here is journaled. A program in an answer runs in the sandbox, or not at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.errors import SandboxMissing, UsageError
from ..core.event_loop import run_to_end
from ..core.programs import Program, Ran
from ..core.reasoning import split_reasoning
from ..core.records import GroundTruth
from ..core.tasks import storable
from ..sandbox import run_program
from . import verdict_on

_log = logging.getLogger(__name__)
_COLUMNS = ("ground_truth", "reward_model")
_MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading a ground truth raises that is none."""
Answer = str | Sequence[Mapping[str, Any]]


def verify(row: Mapping[str, Any], answer: Answer) -> bool:
    """Return whether an answer to a row is right, as far as a program can tell.

    Whatever the answer is, this raises nothing because of it.

    Args:
        row: A row of the format rlvr, grpo, or verl, or of another one with provenance columns; only `ground_truth` is
            read, or `reward_model` of verl.
        answer: What a model wrote: its text, or chat messages, of which the last one of the assistant counts. Reasoning
            before the answer is left out.

    Raises:
        UsageError: The row has no ground truth, or one that this version can't read.
        SandboxMissing: The answer is to be code, and this machine has no sandbox; a UsageError, too.
    """
    [passed] = run_to_end(_verify_all([(_truth_of(row), answer)]))
    return passed


def reward(completions: Sequence[Answer], **columns: Any) -> list[float | None]:
    """Return 1.0 for each right answer, and 0.0 for each other one: a reward function for TRL's GRPOTrainer.

    Args:
        completions: What the model wrote; each is a text or a list of chat messages.
        columns: The columns of the rows, as lists, of which `ground_truth` (or verl's `reward_model`) is read; anything
            else that the trainer passes. A row whose ground truth is None gets no reward, None.

    Raises:
        UsageError: There is no such column, or a ground truth that this version can't read.
        SandboxMissing: As for `verify`.
    """
    name = next((each for each in _COLUMNS if each in columns), None)
    if name is None:
        raise UsageError(f"reward: no column {' or '.join(_COLUMNS)}; train on the format grpo, rlvr, or verl")
    truths = [None if each is None else _truth_of({name: each}) for each in columns[name]]
    checked = [(truth, answer) for truth, answer in zip(truths, completions, strict=True) if truth]
    passed = iter(run_to_end(_verify_all(checked)))
    return [float(next(passed)) if truth else None for truth in truths]


def _truth_of(row: Mapping[str, Any]) -> GroundTruth:
    if not isinstance(row, Mapping):
        raise UsageError(f"row: must be a row of a dataset, not {type(row).__name__}")
    model = row.get("reward_model")
    text = row.get("ground_truth") or (model.get("ground_truth") if isinstance(model, Mapping) else None)
    if text is None:
        raise UsageError("row: has no ground truth; pass a row of the format grpo, rlvr, or verl")
    try:
        values = json.loads(text)
        truth = GroundTruth(values["verifier"], json.dumps(values["expected"], ensure_ascii=False))
        if not isinstance(truth.verifier, str):
            raise TypeError
        return truth
    except _MALFORMED:
        raise _not_ours(text) from None


def _not_ours(text: object) -> UsageError:
    return UsageError(f"ground truth: {str(text)[:80]!r} was not written by selfinstruct")


async def _verify_all(checked: Iterable[tuple[GroundTruth, Answer]]) -> list[bool]:
    slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def run(program: Program) -> Ran:
        async with slots:
            return await asyncio.to_thread(run_program, program)

    async def is_right(truth: GroundTruth, answer: Answer) -> bool:
        try:
            return (await verdict_on(_text_of(answer), truth, run)).ok
        except SandboxMissing as error:
            if truth.verifier == "code":
                raise
            # Rare notation must not end a training that has gone well so far.
            _log.warning("selfinstruct: warning: an answer counts as wrong that only a program can read: %s", error)
            return False
        except _MALFORMED:  # no answer raises, so it is the ground truth
            raise _not_ours(truth.text) from None

    return await asyncio.gather(*(is_right(*each) for each in checked))


def _text_of(answer: object) -> str:
    """Return an answer as a run would keep it; '' for anything that is none."""
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        said = [each for each in answer if isinstance(each, Mapping) and each.get("role", "assistant") == "assistant"]
        answer = said[-1].get("content") if said else ""
    if isinstance(answer, Sequence) and not isinstance(answer, str):  # [{"type": "text", "text": "It is 4."}]
        answer = "".join(str(each.get("text") or "") for each in answer if isinstance(each, Mapping))
    return storable(split_reasoning(answer)[1].strip()) if isinstance(answer, str) else ""

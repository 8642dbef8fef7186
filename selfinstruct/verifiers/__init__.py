"""Compare an answer with what a program knows about it; a model's opinion never decides.

A verifier is a function `async verify(expected, answer, run)`, which returns PASS, or a verdict that says in one line
why the answer is wrong. It is deterministic, and accepts any text as an answer.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.errors import ConfigError
from ..core.programs import Run
from ..core.records import GroundTruth
from ..core.suggest import closest
from ..core.tasks import Verdict
from . import code, constraints, lists, maths, structured

Verifier = Callable[[Any, str, Run], Awaitable[Verdict]]
"""`async verify(expected, answer, run)`; `expected` is the value of a ground truth's JSON text."""
VERIFIERS: dict[str, Verifier] = {
    "code": code.verify,
    "constraints": constraints.verify,
    "maths": maths.verify,
    "structured": structured.verify,
    "lists": lists.verify,
}
"""The verifiers by the name that ground truths use."""


async def verdict_on(answer: str, truth: GroundTruth, run: Run) -> Verdict:
    """Compare an answer with the ground truth of its task.

    Raises:
        ConfigError: No verifier has this name.
        SandboxMissing: The verifier runs a program, and this machine has no sandbox.
    """
    verifier = VERIFIERS.get(truth.verifier)
    if verifier is None:
        guess = closest(truth.verifier, VERIFIERS)
        meant = f"did you mean {guess!r}?" if guess else f"one of {', '.join(VERIFIERS)}"
        raise ConfigError(f"ground truth: verifier {truth.verifier!r} is unknown; {meant}")
    return await verifier(json.loads(truth.expected), answer, run)

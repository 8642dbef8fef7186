"""Compare an answer with what a program knows about it; a model's opinion never decides.

A verifier is a function `async verify(expected, answer, run)`, which returns PASS, or a verdict that says in one line
why the answer is wrong. It is deterministic, and accepts any text as an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..core.programs import Run
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

"""Worked examples in a short form for tests: pairs of input and output."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Candidate, Verdict
from selfinstruct.filters import Checks
from selfinstruct.generate.respond import Responder

Pair = tuple[str, str]


def examples_of(instruction: str, *pairs: Pair) -> tuple[Example, ...]:
    """Return an example for each pair of input and output."""
    return tuple(Example.of(instruction, given, Response(output)) for given, output in pairs)


def pairs_of(examples: Sequence[Example]) -> list[Pair]:
    """Return the input and the output of each example."""
    return [(example.given, example.output) for example in examples]


def keep(
    pairs: Sequence[Pair], truncated: bool = False, instruction: str = "Do it.", checks: Checks | None = None
) -> tuple[list[Pair], list[Verdict]]:
    """Return the pairs that a run keeps, and a verdict per rejected one. checks: beyond the published rules."""
    responder = Responder(RunConfig(seeds="s", run_dir="r"), checks or Checks([]), Asking())
    examples = examples_of(instruction, *pairs)
    settled = asyncio.run(responder.settle(Candidate(instruction), examples, truncated, "0:0", _no_ask))
    return pairs_of(settled.kept), settled.refused


async def _no_ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
    raise AssertionError("nothing may be asked")

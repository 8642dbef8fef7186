"""Asks for several samples of several prompts, without the rest of a run.

As a process, which a test can kill: `python ask_samples.py CONFIG.yaml PROMPTS SAMPLES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from selfinstruct.ask.prices import prices_of
from selfinstruct.ask.router import AskClosed
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Message, Prompt, Sampling
from selfinstruct.generate.opening import enter, make_asker
from selfinstruct.journal.answer_values import Answer, Totals
from selfinstruct.journal.folder import JOURNAL
from selfinstruct.journal.journal import Journal
from selfinstruct.teachers import build_teachers


def prompts_of(prompts: int, samples: int) -> list[Prompt]:
    """Return `samples` samples of each of `prompts` prompts, all first samples first."""
    texts = [f"Explain to a reader of {number} why the tide turns." for number in range(prompts)]
    first = [Prompt("answer", (Message("user", text),), Sampling(max_tokens=300)) for text in texts]
    return [replace(prompt, sample=sample) for sample in range(samples) for prompt in first]


@dataclass
class Asked:
    """What came of some prompts.

    reason: why the asker closed early, or None. in_flight: the most at one time. totals: what the journal counts.
    """

    answers: list[Answer | None]
    reason: str | None
    in_flight: int
    totals: Totals


def open_journal(config: RunConfig) -> Journal:
    folder = Path(config.run_dir)
    folder.mkdir(exist_ok=True)
    return Journal(folder / JOURNAL)


async def ask_all(config: RunConfig, prompts: list[Prompt], *, within_s: float = 60.0, detach: bool = False) -> Asked:
    """Ask all prompts at once. An answer is None if the asker closed before it came."""
    teachers = build_teachers(config)
    async with asyncio.timeout(within_s), contextlib.AsyncExitStack() as stack:
        journal = stack.enter_context(contextlib.closing(open_journal(config)))
        journal.begin_start("test")
        asker, _ = make_asker(config, journal, teachers, prices_of(config, own=False), detach=detach)
        in_flight = [0]
        asker.on_exchange = lambda _: in_flight.append(asker.in_flight + 1)
        asker.open(await enter(stack, teachers, asker))

        async def answer(prompt: Prompt) -> Answer | None:
            with contextlib.suppress(AskClosed):
                return await asker.ask(prompt.key, prompt)
            return None

        answers = await asyncio.gather(*map(answer, prompts))
        await asker.drain(None)
        return Asked(answers, asker.reason, max(in_flight), journal.totals())


if __name__ == "__main__":
    asyncio.run(
        ask_all(RunConfig.load(Path(sys.argv[1])), prompts_of(int(sys.argv[2]), int(sys.argv[3])), within_s=600)
    )

"""The whole loop of this project: prompts, limits, budget, journal, parsing, filters, novelty; all but the dataset.

It asks questions of its own, as many as the task has. Variants are the strategies; `-off` behind one means a journal
that doesn't wait for the disk (`PRAGMA synchronous=OFF`): what is faster then is the price of durability.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy  # noqa: F401  what a run imports when it needs it isn't measured, for nobody here
import phonenumbers  # noqa: F401
from loop_task import Task, measure

import selfinstruct.teachers.openai.client  # noqa: F401
from selfinstruct import RunConfig, run
from selfinstruct.journal.store import Store

SEEDS = Path(__file__).parents[2] / "seeds" / "en.jsonl"


def _ask(task: Task) -> None:
    strategy, _, careless = task.variant.partition("-")
    if careless:
        _forget_the_disk()
    config = RunConfig.parse(
        {
            "seeds": str(SEEDS),
            "run_dir": str(task.folder / "run"),
            "strategy": strategy,
            "target": 10 * len(task.questions),  # never met: the cap ends the run
            "max_requests": len(task.questions),
            "concurrency": task.in_flight,
            "lookahead": 4 * task.in_flight,
            "teacher": {"kind": "openai", "model": "fake", "base_url": task.base_url, "api_key_env": None},
        }
    )
    made = run(config, export=False)
    assert made.status().requests == len(task.questions), made.outcome


def _forget_the_disk() -> None:
    opened: Any = Store._open

    def open_carelessly(self: Store, *given: Any) -> None:
        opened(self, *given)
        if hasattr(self, "_writer"):  # not where it only reads
            self._writer.execute("PRAGMA synchronous=OFF")

    Store._open = open_carelessly  # type: ignore[method-assign]


if __name__ == "__main__":
    measure(_ask)

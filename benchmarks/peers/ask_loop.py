"""The whole loop of this project: prompts, limits, budget, journal, parsing, filters, novelty; all but the dataset.

It asks questions of its own, as many as the task has. Variants: `full`, and `off`, whose journal doesn't wait for the
disk (`PRAGMA synchronous=OFF`): what a power cut would take, and the price of not losing it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loop_task import Task, measure

import selfinstruct as si
from selfinstruct.store import Store

SEEDS = Path(__file__).parents[2] / "seeds" / "en.jsonl"


def _ask(task: Task) -> None:
    if task.variant == "off":
        _forget_the_disk()
    config = si.RunConfig.parse(
        {
            "seeds": str(SEEDS),
            "run_dir": str(task.folder / "run"),
            "strategy": "self_instruct",
            "target": 10 * len(task.questions),  # never met: the cap ends the run
            "max_requests": len(task.questions),
            "concurrency": task.in_flight,
            "lookahead": 4 * task.in_flight,
            "teacher": {"kind": "openai", "model": "fake", "base_url": task.base_url, "api_key_env": None},
        }
    )
    run = si.run(config, export=False)
    assert run.status().requests == len(task.questions), run.outcome


def _forget_the_disk() -> None:
    opened: Any = Store._open

    def open_carelessly(self: Store, *given: Any) -> None:
        opened(self, *given)
        self._writer.execute("PRAGMA synchronous=OFF")

    Store._open = open_carelessly  # type: ignore[method-assign]


if __name__ == "__main__":
    measure(_ask)

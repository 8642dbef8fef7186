"""How many rounds of batch jobs a run needs, by target and lookahead: python benchmarks/batch_rounds.py

A round is a time that everything waits in jobs, up to a day each. The answers are the fake teacher's, through the whole
machinery; a real model's yield differs, so read the shape, not the last digit.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from selfinstruct import RunConfig, arun
from selfinstruct.teachers.fake.fake_batches import FakeBatches
from selfinstruct.teachers.fake.fake_server import FakeServer, serving

SEEDS = Path(__file__).parents[1] / "seeds" / "en.jsonl"
CASES = [
    (strategy, target, lookahead)
    for strategy in ("alpaca", "self_instruct")
    for target, lookaheads in ((500, (8, 32, 128)), (2000, (32, 128, 512)))
    for lookahead in lookaheads
]


async def rounds(strategy: str, target: int, lookahead: int, folder: Path) -> tuple[int, int, int]:
    """Jobs of a whole run, questions in all of them, questions in the longest. One job a round: none is split."""
    batches = FakeBatches()
    async with serving(FakeServer(batches=batches)) as base_url:
        teacher = {"model": "fake", "base_url": base_url, "api_key_env": None, "mode": "batch"}
        config = RunConfig.parse(
            {
                "seeds": str(SEEDS),
                "run_dir": str(folder),
                "strategy": strategy,
                "target": target,
                "lookahead": lookahead,
                "teacher": teacher | {"batch_poll_s": 0.2, "batch_quiet_s": 0.5},
            }
        )
        done = await arun(config, export=False)
        assert done.outcome.reason == "target"
    sizes = [job["request_counts"]["total"] for job in batches.jobs.values()]
    return len(sizes), sum(sizes), max(sizes)


def main() -> None:
    print(f"{'strategy':<14} {'target':>7} {'lookahead':>10} {'rounds':>7} {'questions':>10} {'longest job':>12}")
    for strategy, target, lookahead in CASES:
        with tempfile.TemporaryDirectory() as folder:
            count, questions, longest = asyncio.run(rounds(strategy, target, lookahead, Path(folder) / "run"))
        print(f"{strategy:<14} {target:>7,} {lookahead:>10,} {count:>7,} {questions:>10,} {longest:>12,}", flush=True)


if __name__ == "__main__":
    main()

"""How long a start takes that finds 52,000 finished records in its journal: read, parsed, filtered, compared anew.

    python benchmarks/resume.py [--records 52000] [--profile]

A run is made first, from texts of `corpora.py` (a fifth of them near-duplicates) through the real loop and journal;
that takes a while and is not what is measured. Then new processes start on its journal, each with a target that is
met: `replay` does everything but write the dataset, `generate` all. Printed for this run and for one of a tenth of
the records: seconds, CPU seconds and peak memory of each start; with --profile also where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpora import make_corpus

import selfinstruct as si
from selfinstruct.core.prompts import Asking, Completion, Prompt, Usage

ROOT = Path(__file__).parents[1]
TASKS = 17
"""Tasks in an answer, as Alpaca asks for."""


class CorpusTeacher:
    """Answers every question with the next texts of a corpus, as Alpaca's tasks."""

    def __init__(self, texts: list[str]) -> None:
        self.asking = Asking()
        self.model = "corpus"
        self._texts, self._draw = iter(texts), random.Random(1)

    async def complete(self, prompt: Prompt) -> Completion:
        tasks = []
        for text, _ in zip(self._texts, range(TASKS), strict=False):
            words = text.split()
            output = " ".join(self._draw.choices(words, k=60)) + "."
            tasks.append({"instruction": text, "input": "", "output": output})
        await asyncio.sleep(0)
        return Completion(json.dumps({"tasks": tasks}), "stop", Usage(900, 1500), "corpus")


def config_of(folder: Path, records: int) -> si.RunConfig:
    """The run that all starts share."""
    return si.RunConfig.parse(
        {
            "seeds": str(ROOT / "seeds" / "en.jsonl"),
            "run_dir": str(folder),
            "target": records,
            "teacher": {"kind": "fake"},
            "min_yield": 0.0,
            "filters": {"keywords": False},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=52_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start:
        start(options)
        return
    folder = Path(tempfile.mkdtemp(prefix="selfinstruct-resume-"))
    try:
        for records in (options.records // 10, options.records):
            run = folder / str(records)
            began = time.perf_counter()
            teacher = CorpusTeacher(make_corpus("en", 2 * records + 2000, near_share=0.2))
            si.run(config_of(run, records), teacher=teacher, export=False)
            print(f"{records:,} records made in {time.perf_counter() - began:.0f} s", flush=True)
            command = [sys.executable, __file__, "--start", str(run), "--records", str(records)]
            for extra in ([], ["--export"]):
                subprocess.run([*command, *extra], check=True)
        if options.profile:
            subprocess.run([*command, "--profile"], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(options: argparse.Namespace) -> None:
    """One start on a finished run, in this process."""
    config = config_of(options.start, options.records)
    profile = None
    if options.profile:
        import cProfile

        profile = cProfile.Profile()
        profile.enable()
    began, cpu = time.perf_counter(), time.process_time()
    run = si.run(config, export=options.export, recall_only=not options.export)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert run.outcome.exit_code == 0, run.outcome
    what = "generate, nothing to ask" if options.export else "replay"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {what:26} {seconds:6.1f} s {cpu:6.1f} s CPU {memory:6.0f} MB", flush=True)
    if profile is not None:
        import pstats

        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()

"""The methods that `novelty.py` compares. Each runs in a process of its own and prints one line of JSON.

    python benchmarks/novelty_methods.py METHOD FILE --flags FLAGS [--language en] [--cutoff 0.7]

FILE: texts, one a line. FLAGS: one byte a text, 1 for admitted; `ours, 1 worker` writes it, the others read it.
Time is measured inside, after imports and a first run over WARM_UP texts, so that compiling isn't counted; the best
of up to three runs, as long as they take less than 20 s together. Peak memory is that of the process after its
first run.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
WARM_UP = 5000
"""Above the size from which the engine is the compiled one."""
BATCH = 8192
"""Lines read at a time."""

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: the corpus, where the exact flags are, and the cutoff."""

    file: Path
    flags: Path
    language: str
    cutoff: float

    def texts(self, first: int | None = None) -> list[str]:
        with self.file.open(encoding="utf-8") as lines:
            return [line.rstrip("\n") for line in itertools.islice(lines, first)]

    def batches(self, first: int | None = None) -> Iterator[list[str]]:
        with self.file.open(encoding="utf-8") as lines:
            left = itertools.islice(lines, first)
            while batch := [line.rstrip("\n") for line in itertools.islice(left, BATCH)]:
                yield batch

    def exact(self) -> bytes:
        return self.flags.read_bytes()


def best_of(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds of the best run, the peak memory after the first one in MB, and what a run gave."""
    spent: list[float] = []
    while not spent or (len(spent) < 3 and sum(spent) < 20):
        start = time.perf_counter()
        result = run()
        spent.append(time.perf_counter() - start)
        if len(spent) == 1:
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
                1 << 20 if sys.platform == "darwin" else 1024
            )
    return min(spent), peak_mb, result


def digest(flags: bytes) -> str:
    """Of the admitted set."""
    return hashlib.sha256(flags).hexdigest()[:10]


def floor(job: Job) -> Result:
    """Reading the file and cutting each line into tokens, once."""
    from selfinstruct.core.tokens import tokenize

    def run() -> int:
        with job.file.open(encoding="utf-8") as lines:
            return sum(len(tokenize(line)) for line in lines)

    seconds, peak_mb, tokens = best_of(run)
    return {"seconds": seconds, "peak_mb": peak_mb, "tokens": tokens}


def ours(job: Job, workers: int, explain: bool = False) -> Result:
    """The batch face: reading the file, `Join.add`, `Join.run`."""
    from selfinstruct.novelty import Join, Joined

    def run(first: int | None = None) -> Joined:
        join = Join(job.cutoff, workers=workers, explain=explain)
        for batch in job.batches(first):
            join.add(batch)
        return join.run()

    run(WARM_UP)
    seconds, peak_mb, found = best_of(run)
    flags = found.admitted.astype("u1").tobytes()
    if not job.flags.exists():
        job.flags.write_bytes(flags)
    return {
        "seconds": seconds,
        "peak_mb": peak_mb,
        "digest": digest(flags),
        "admitted": sum(flags),
        "postings": found.work.postings / len(flags),
        "compared": found.work.compared / len(flags),
    }


def online(job: Job) -> Result:
    """One candidate after the other; the mean time of one over the last tenth of the set."""
    from selfinstruct.novelty import NoveltyIndex

    def run(first: int | None = None) -> tuple[float, bytes, NoveltyIndex]:
        index = NoveltyIndex(job.cutoff, nearest="refused")
        texts = job.texts(first)
        flags = bytearray(len(texts))
        last = len(texts) - max(len(texts) // 10, 1)
        start = time.perf_counter()
        for number, text in enumerate(texts):
            if number == last:
                start = time.perf_counter()
            if index.check(text).ok:
                index.admit(str(number), text)
                flags[number] = 1
        return (time.perf_counter() - start) / (len(texts) - last), bytes(flags), index

    run(WARM_UP)
    each: list[float] = []

    def noted() -> tuple[float, bytes, NoveltyIndex]:
        found = run()
        each.append(found[0])
        return found

    seconds, peak_mb, (_, flags, index) = best_of(noted)
    return {
        "seconds": seconds,
        "peak_mb": peak_mb,
        "digest": digest(flags),
        "candidate_s": min(each),
        "postings": index.work.postings / len(flags),
        "compared": index.work.compared / len(flags),
    }


def start_up(job: Job) -> Result:
    """What a process waits for before the compiled engine is at work: imports and compiling, or loading what is."""
    import numba  # noqa: F401

    from selfinstruct.novelty import Join

    imported = time.perf_counter() - STARTED
    spent = []
    for _ in range(2):
        start = time.perf_counter()
        join = Join(job.cutoff)
        join.add(job.texts(WARM_UP))
        join.run()
        spent.append(time.perf_counter() - start)
    return {"imports_s": imported, "ready_s": spent[0] - spent[1]}


def _others(name: str) -> Callable[[Job], Result]:
    def run(job: Job) -> Result:
        import novelty_others

        method: Callable[[Job], Result] = getattr(novelty_others, name)
        return method(job)

    return run


METHODS: dict[str, Callable[[Job], Result]] = {
    "start-up": start_up,
    "floor": floor,
    "ours, 1 worker": lambda job: ours(job, 1),
    "ours, 2 workers": lambda job: ours(job, 2),
    "ours, 2 workers, explained": lambda job: ours(job, 2, explain=True),
    "ours, online": online,
    "rapidfuzz blocks": _others("rapidfuzz_blocks"),
    "datasketch MinHash": _others("datasketch_lsh"),
    "rensa MinHash": _others("rensa_lsh"),
    "Alpaca's": _others("alpaca"),
    "Self-Instruct's": _others("self_instruct"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--flags", type=Path, required=True)
    parser.add_argument("--language", default="")
    parser.add_argument("--cutoff", type=float, default=0.7)
    options = parser.parse_args()
    job = Job(options.file, options.flags, options.language, options.cutoff)
    try:
        print(json.dumps(METHODS[options.method](job)))
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}))


if __name__ == "__main__":
    main()

"""What the strategy `grounded` makes of manuals: rows, tokens, and seconds, and how many rows a strict reader kept.

    python benchmarks/documents.py FOLDER [--subject Wireshark] [--chunks 20] [--seed 1] [--model qwen2.5-coder-1.5b]
    python benchmarks/documents.py --grades
    python benchmarks/documents.py --near-duplicates 2000

The first form asks about passages drawn by chance from the documents of a folder, those without any fact included, and
writes `rows.jsonl` into the run's folder. Rows that were read before show the verdict of the reader, by their question
and answer. The second form prints what the committed grades say, the third how long it takes to look for
near-duplicates among texts of 300 random words, as the passages of documents are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

import selfinstruct as si
from selfinstruct.core.documents import Passage, holds
from selfinstruct.documents import load_passages
from selfinstruct.novelty import NoveltyIndex
from selfinstruct.strategies.grounded.grounded import Grounded

GRADES = Path(__file__).parent / "grades" / "documents.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", help="folders or files of documents")
    parser.add_argument("--subject", help="what the documents are about; without it, each document's title")
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--run-dir", help="a folder that is kept, to continue or replay the run")
    parser.add_argument("--grades", action="store_true", help="print the committed grades")
    parser.add_argument("--near-duplicates", type=int, metavar="PASSAGES", help="time the search for near-duplicates")
    options = parser.parse_args()
    if options.near_duplicates:
        find_near_duplicates(options.near_duplicates)
        return
    grades = yaml.safe_load(GRADES.read_text(encoding="utf-8"))
    if options.grades or not options.folder:
        summarize(grades)
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(
            options, Path(options.run_dir or scratch) / "run", {key_of(each): each["kept"] for each in grades["rows"]}
        )


def measure(options: argparse.Namespace, folder: Path, graded: dict[str, bool]) -> None:
    """Run over some passages, and print the figures."""

    class Sampled(Grounded):
        """Asks about the passages that were drawn."""

        def units(self, passage: Passage) -> list[str]:
            return super().units(passage) if passage.id in ids else []

    config = si.RunConfig.parse(
        {
            "documents": options.folder,
            "run_dir": str(folder),
            "target": 100_000,
            "strategy": {"kind": "grounded", "subject": options.subject},
            "teacher": {"kind": "local", "model": options.model, "context": 2048, "timeout_s": 900, "max_retries": 0},
            "concurrency": 2,
            "lookahead": 2,
        }
    )
    passages = load_passages(config)
    drawn = random.Random(options.seed).sample(passages, min(options.chunks, len(passages)))
    ids = {each.id for each in drawn}
    began = time.monotonic()
    run = si.run(config, strategy=Sampled, progress=None)
    seconds, status, records = time.monotonic() - began, run.status(), run.records()
    without = [
        Sampled(config, si.Asking.over("completions")).why_none(each) for each in drawn if not _units(config, each)
    ]
    rows = []
    for record in records:
        example = record.examples[0]
        [about] = [each for each in drawn if each.id == record.origin.demos[0]]
        assert all(holds(about, quote) for quote in example.evidence)
        rows.append({"id": record.id, "passage": about.id, "question": record.instruction, "answer": example.output})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    print(f"{len(drawn)} passages, {status.questions} questions, {len(rows)} rows; rows per 20 passages: "
          f"{20 * len(rows) / max(len(drawn), 1):.1f}")  # fmt: skip
    print(f"passages without a question: {dict(Counter(without))}")
    print(f"refused: {status.refused}")
    if rows:
        print(f"per row: {status.completion_tokens / len(rows):.0f} completion tokens, {seconds / len(rows):.0f} s")
    known = [graded[key_of(row)] for row in rows if key_of(row) in graded]
    if known:
        print(f"of these rows {len(known)} were read before, and {sum(known)} kept ({sum(known) / len(known):.0%})")
        print(f"per kept row: {status.completion_tokens * len(known) / len(rows) / max(sum(known), 1):.0f} tokens")


def find_near_duplicates(count: int) -> None:
    """Look for near-duplicates among random texts, the last one a copy of the first but for its end; print the time."""
    draw, words = random.Random(1), [f"word{number}" for number in range(5000)]
    weights = [1 / (number + 10) for number in range(5000)]
    texts = [" ".join(draw.choices(words, weights, k=300)) for _ in range(count - 1)]
    texts.append(" ".join([*texts[0].split()[:280], "and", "so", "on"]))
    index = NoveltyIndex(0.8, nearest="refused")
    began, used = time.monotonic(), time.process_time()
    found = index.check_batch((str(number), text) for number, text in enumerate(texts))
    print(
        f"{sum(each.ok for each in found):,} of {count:,} texts kept in {time.monotonic() - began:.1f} s "
        f"({time.process_time() - used:.1f} s of CPU time)"
    )


def _units(config: si.RunConfig, passage: Passage) -> list[str]:
    return Grounded(config, si.Asking.over("completions")).units(passage)


def summarize(grades: dict[str, Any]) -> None:
    """Print the share of rows that were kept, by set of manuals, with its 95% interval (Wilson)."""
    for name in dict.fromkeys(each["set"] for each in grades["rows"]):
        rows = [each for each in grades["rows"] if each["set"] == name]
        kept, count = sum(each["kept"] for each in rows), len(rows)
        share, z = kept / count, 1.96
        middle, half = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
        low, high = ((middle + sign * half) / (1 + z * z / count) for sign in (-1, 1))
        now = [each for each in rows if each["still_made"]]
        print(f"{name}: {kept} of {count} rows kept ({share:.0%}, {low:.0%} to {high:.0%})")
        print(f"  of the {len(now)} that the present rules still make: {sum(each['kept'] for each in now)}")
        for reason, times in Counter(each["reason"] for each in rows if not each["kept"]).most_common():
            print(f"  {times} x {reason}")


def key_of(row: dict[str, Any]) -> str:
    """Return a digest of a row's question and answer."""
    return hashlib.sha256(f"{row['question']}\n{row['answer']}".encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()

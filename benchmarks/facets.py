"""Steered and unsteered runs of the embedded teacher: cells, verb-object pairs, and tokens per record.

    python benchmarks/facets.py RECORDS [--folder FOLDER] [--minutes N] [--judge] [--only steered]

Both runs are the demo's; the steered one asks for 4 topics x 3 kinds, and with --judge the same model says of each
record what it sees. --minutes ends each run early. The folder keeps the runs, so that an interrupted benchmark
continues; the figures are those of as many records as both runs have.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import selfinstruct as si
from selfinstruct.dataset.linguistics import finder_for, verb_nouns
from selfinstruct.report.page import figures_of

ROOT = Path(__file__).parents[1]
FACETS = {
    "topic": ["cooking", "gardening", "travel", "money"],
    "kind": ["question", "rewriting a text", "list of ideas"],
}


def start(name: str, facets: object, given: argparse.Namespace) -> si.Run:
    """Begin a run, or continue it."""
    changes = {"run_dir": str(given.folder / name), "target": given.records, "facets": facets}
    config = si.RunConfig.load(ROOT / "configs" / "local.yaml", **changes)
    seconds = 60 * given.minutes if given.minutes else None
    return si.run(config, progress=None, max_runtime_s=seconds, export=False)


def measure(name: str, run: si.Run, records: int) -> tuple[int, float]:
    """Print and return the distinct pairs of the first records, and the tokens per record without the judge's."""
    now, found = run.status(), run.records()
    used = [each for purpose, each in now.by_purpose.items() if purpose != "judge"]
    generated = sum(each["completion_tokens"] for each in used) / len(found)
    tokens = sum(each["prompt_tokens"] for each in used) / len(found) + generated
    pairs = verb_nouns([record.instruction for record in found[:records]], finder_for("word-list")).distinct
    print(f"{name}: {len(found)} records, {now.questions} questions, {now.admitted} of {now.proposed} tasks admitted")
    print(
        f"{name}: {pairs} distinct pairs in {records} records; {tokens:.0f} tokens a record, {generated:.0f} generated"
    )
    figures = figures_of(run)
    for row in figures.coverage:
        asked = "-" if row.requested is None else f"{row.requested:.1%}"
        print(f"  {row.facet}: {row.value}: {asked} requested, {row.obtained:.1%} obtained, {row.questions} questions")
    for judged in figures.judged:
        others = ", ".join(f"{other.name} {other.count}" for other in judged.others)
        print(f"  judged {judged.facet}: {judged.value}: {judged.agree} of {judged.sampled}; {others}")
    return pairs, tokens


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("records", type=int)
    options.add_argument("--folder", type=Path, default=Path("data/facets"))
    options.add_argument("--minutes", type=float)
    options.add_argument("--judge", action="store_true")
    options.add_argument("--only", choices=("steered", "unsteered"))
    given = options.parse_args()
    facets = {"unsteered": None, "steered": FACETS | {"verify": float(given.judge)}}
    names = [given.only] if given.only else list(facets)
    runs = {name: start(name, facets[name], given) for name in names}
    common = min(len(run.records()) for run in runs.values())
    if not common:
        sys.exit("no records yet; give it more time")
    measured = {name: measure(name, run, common) for name, run in runs.items()}
    if len(measured) == 2:
        (pairs, tokens), (more, cost) = measured["unsteered"], measured["steered"]
        print(f"distinct pairs: {more / max(pairs, 1):.2f} times; tokens per record: {cost / tokens:.2f} times")


if __name__ == "__main__":
    main()

"""Steered and unsteered runs of the embedded teacher: cells, verb-object pairs, and tokens per record.

    python benchmarks/facets.py RECORDS [FOLDER]

Both runs are the demo's; the steered one asks for 4 topics x 3 kinds, and the same model judges every record. The
folder keeps the runs, so that an interrupted benchmark continues.
"""

from __future__ import annotations

import sys
from pathlib import Path

import selfinstruct as si
from selfinstruct.dataset.linguistics import finder_for, verb_nouns
from selfinstruct.report.page import figures_of

ROOT = Path(__file__).parents[1]
FACETS = {
    "topic": ["cooking", "gardening", "travel", "money"],
    "kind": ["question", "rewriting a text", "list of ideas"],
    "verify": 1.0,
}


def measure(name: str, facets: object, records: int, folder: Path) -> tuple[int, float]:
    """Run, print, and return the distinct pairs and the tokens per record without the judge's."""
    changes = {"run_dir": str(folder / name), "target": records, "facets": facets, "max_similarity": 0.7}
    run = si.run(si.RunConfig.load(ROOT / "configs" / "demo.yaml", **changes), progress=None)
    now, found = run.status(), run.records()
    used = [each for purpose, each in now.by_purpose.items() if purpose != "judge"]
    tokens = sum(each["prompt_tokens"] + each["completion_tokens"] for each in used) / max(now.records, 1)
    generated = sum(each["completion_tokens"] for each in used) / max(now.records, 1)
    pairs = verb_nouns([record.instruction for record in found], finder_for("word-list")).distinct
    print(f"{name}: {len(found)} records of {now.questions} questions, {now.proposed} proposed; {pairs} distinct pairs")
    print(f"{name}: {tokens:.0f} tokens per record, {generated:.0f} of them generated")
    figures = figures_of(run)
    for row in figures.coverage:
        requested = "-" if row.requested is None else f"{row.requested:.1%}"
        print(
            f"  {row.facet}: {row.value}: {requested} requested, {row.obtained:.1%} obtained; {row.questions} questions"
        )
    for judged in figures.judged:
        others = ", ".join(f"{other.name} {other.count}" for other in judged.others)
        print(f"  judged {judged.facet}: {judged.value}: {judged.agree} of {judged.sampled}; {others}")
    return pairs, tokens


def main() -> None:
    records = int(sys.argv[1])
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "data/facets")
    pairs, tokens = measure("unsteered", None, records, folder)
    more, cost = measure("steered", FACETS, records, folder)
    print(f"distinct pairs: {more / max(pairs, 1):.2f} times; tokens per record: {cost / max(tokens, 1):.2f} times")


if __name__ == "__main__":
    main()

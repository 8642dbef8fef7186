"""Whether agreement between answers, or a judge's mark, tells better which answers a strict reader keeps.

    python benchmarks/agreement.py collect CONFIG [--folder data/agreement] [--file data/agreement/answers.yaml]
    python benchmarks/agreement.py report FILE

`collect` runs CONFIG, which has `answers: {samples: 5, ...}`, twice: with agreement (`answers.agree_by`), and, on the
same answers, with a judge. Both reject nothing. It writes every task with its different answers and both marks, for a
reader to grade: `kept: true` or `kept: false` in place of null; what stays null is left out. A start that was broken
off goes on where it was.

`report` prints for both the area under the ROC curve, and what a cutoff keeps: first of all graded answers, then of the
answer to each task that the mark itself prefers, as a run keeps it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

import selfinstruct as si

MARKS = ("agreement", "judge")
CUTOFFS = 5
"""Lines of the table: cutoffs that keep about equal shares of the answers."""


def collect(config: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Run a configuration with agreement and with a judge; yield the tasks with their answers and marks."""
    common = ["answers.until=all", "answers.keep=all", "filters.wrong_answer=label", "dataset.formats=[messages]"]
    by_agreement = si.RunConfig.load(
        config, [*common, "answers.min_agreement=0"], run_dir=folder / "agreement", judge=None
    )
    sets = [*common, "answers.min_agreement=null", "answers.agree_by=text", "judge.min_score=null"]
    by_judge = si.RunConfig.load(config, sets, run_dir=folder / "judge")
    agreed = {(record.question, record.index): record for record in si.run(by_agreement).records()}
    fork = {} if (folder / "judge" / "journal.sqlite").exists() else {"fork_of": folder / "agreement"}
    for record in si.run(by_judge, **fork).records():
        other = agreed.get((record.question, record.index))
        for number, example in enumerate(record.examples):
            known = other.examples[number].responses if other and number < len(other.examples) else ()
            marks = {each.sample: each.marks.get("agreement", 0.0) for each in known}
            answers: dict[str, dict[str, Any]] = {}
            for each in sorted(example.responses, key=lambda each: each.sample):
                # Where the answers decide nothing, the run rejects the task, whatever the cutoff: 0.
                values = {"agreement": marks.get(each.sample, 0.0), "judge": each.mark, "kept": None}
                answers.setdefault(each.text, {"sample": each.sample, "answer": each.text, **values})
            yield {"task": example.messages[-1].content, "answers": list(answers.values())}


def auc(marked: Sequence[tuple[float, bool]]) -> float | None:
    """Return how often a kept answer has the higher mark than one that isn't kept; equal marks count half."""
    kept, refused = ([mark for mark, good in marked if good is wanted] for wanted in (True, False))
    if not kept or not refused:
        return None
    return sum((a > b) + (a == b) / 2 for a in kept for b in refused) / (len(kept) * len(refused))


def preferred(rows: Sequence[dict[str, Any]], name: str) -> list[tuple[float, bool]]:
    """Return the mark and the grade of the answer to each task with the highest mark, if it was graded."""
    marked = ([each for each in row["answers"] if each[name] is not None] for row in rows)
    best = [max(answers, key=lambda each: (each[name], -each["sample"])) for answers in marked if answers]
    return [(each[name], each["kept"]) for each in best if each["kept"] is not None]


def report(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the comparison."""
    graded = [each for row in rows for each in row["answers"] if each["kept"] is not None]
    both = [each for each in graded if all(each[name] is not None for name in MARKS)]
    if not both:
        raise SystemExit("no answer with both marks is graded: set kept to true or false")
    yield f"{len(rows)} tasks; {len(both)} graded answers with both marks, {sum(e['kept'] for e in both)} of them kept"
    refused = len(graded) - len(both)
    left = sum(each["kept"] for each in graded) - sum(each["kept"] for each in both)
    yield f"{refused} refused by other checks before they had both marks, {left} of them kept by the reader"
    for title, of in (
        ("all graded answers", {name: [(each[name], each["kept"]) for each in both] for name in MARKS}),
        ("the answer that each prefers", {name: preferred(rows, name) for name in MARKS}),
    ):
        yield f"\n{title}"
        columns = [list(_column(name, of[name])) for name in MARKS]
        height = max(map(len, columns))
        padded = [[*column, *[""] * (height - len(column))] for column in columns]
        yield from (f"{left:<46}{right}".rstrip() for left, right in zip(*padded, strict=True))


def _column(name: str, marked: Sequence[tuple[float, bool]]) -> Iterator[str]:
    area, good = auc(marked), sum(kept for _, kept in marked)
    yield f"{name}: AUC {'-' if area is None else format(area, '.2f')}, n = {len(marked)}"
    yield f"{'at least':>10}{'answers':>9}{'precision':>11}{'recall':>8}"
    marks = sorted(mark for mark, _ in marked)
    for cutoff in dict.fromkeys(marks[len(marks) * part // CUTOFFS] for part in range(CUTOFFS) if marks):
        passed = [kept for mark, kept in marked if mark >= cutoff]
        recall = f"{sum(passed) / good:.2f}" if good else "-"
        yield f"{cutoff:>10.2f}{len(passed):>9}{sum(passed) / len(passed):>11.2f}{recall:>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("config", type=Path)
    collecting.add_argument("--folder", type=Path, default=Path("data/agreement"))
    collecting.add_argument("--file", type=Path)
    commands.add_parser("report").add_argument("file", type=Path)
    options = parser.parse_args()
    if options.command == "report":
        print("\n".join(report(yaml.safe_load(options.file.read_text(encoding="utf-8")))))
        return
    file = options.file or options.folder / "answers.yaml"
    if file.exists():
        raise SystemExit(f"{file} exists, perhaps with grades; move it away, or set --file")
    rows = list(collect(options.config, options.folder))
    file.write_text(yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    print(f"{len(rows)} tasks with {sum(len(row['answers']) for row in rows)} answers to grade: {file}")


if __name__ == "__main__":
    main()

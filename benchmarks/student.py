"""How a student trial decides between datasets whose difference is known, and how long it takes.

    .venv-trainer/bin/python benchmarks/student.py [DATASET ...] [--student smollm2-135m] [--folder FOLDER]
        [--rows 75] [--tasks 60] [--trials 20] [--only shuffled,corrupted,equal]

The rows are those of the shipped held-out tasks which measure no student here, unless you name datasets. Each trial
draws rows by a seed and splits them into two halves, of `--rows` rows each. The second half is left as it is (equal),
gets its own answers in another order (shuffled), or has 30% of its answers moved to other rows (corrupted). Equal
halves should be told apart in no trial; the other two in every one. Trials are kept in the folder, so a benchmark that
was interrupted continues; the seconds are those of the trials that were run now.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from selfinstruct.core.reviews import Content
from selfinstruct.worth.arms import contents_of
from selfinstruct.worth.student import run_trial
from selfinstruct.worth.student_model import Student
from selfinstruct.worth.student_texts import derange, load_held_out
from selfinstruct.worth.trial import Trial

CORRUPTED = 0.3
SEEDS_TO_DETECT = 3


def moved(rows: list[Content], share: float, seed: str) -> list[Content]:
    """Return rows of which a share has the answer of another one of the share."""
    chosen = random.Random(seed).sample(range(len(rows)), round(share * len(rows)))
    answers = [rows[number]["examples"][0]["answer"] for number in chosen]
    found = list(rows)
    for number, place in zip(chosen, derange(len(chosen), seed), strict=True):
        example = {**rows[number]["examples"][0], "answer": answers[place]}
        found[number] = {**rows[number], "examples": [example]}
    return found


def halves(rows: list[Content], size: int, kind: str, seed: int) -> dict[str, list[Content]]:
    """Return two datasets without a row in common, the second one changed as `kind` says."""
    drawn = random.Random(f"{kind}:{seed}").sample(rows, 2 * size)
    share = {"equal": 0.0, "corrupted": CORRUPTED, "shuffled": 1.0}[kind]
    return {"as it is": drawn[:size], kind: moved(drawn[size:], share, f"{kind}:{seed}")}


def held_out_file(folder: Path, tasks: list[Content]) -> Path:
    """Write held-out tasks to a file."""
    path = folder / "held_out.jsonl"
    rows = [{"instruction": each["instruction"], "output": each["examples"][0]["answer"]} for each in tasks]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def found_by(trial: Trial, kind: str) -> str:
    """Say in one word what the trial decides about its two halves."""
    gap = trial.pairs[0].d_gap
    if not trial.is_valid:
        return "INVALID"
    if not gap.is_decided:
        return "silent"
    return "found" if kind == "equal" else "detected" if gap.high < 0 else "reversed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", metavar="DATASET")
    parser.add_argument("--student", default="smollm2-135m")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "student-trials")
    parser.add_argument("--rows", type=int, default=75)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", default="shuffled,corrupted,equal")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    shipped = random.Random(0).sample(load_held_out(None), len(load_held_out(None)))
    held_out = held_out_file(given.folder, shipped[: given.tasks])
    rows = [row for each in given.datasets for row in contents_of(each)] or shipped[given.tasks :]
    student = Student(given.student)
    print(f"{len(rows):,} rows; two arms of {given.rows:,}, {given.tasks:,} held-out tasks")
    print(
        f"{'second arm':<12}{'seed':>4}  {'found':<10}{'difference of d_gap':<28}{'of d_nll':<28}"
        f"{'seconds':>8}{'CPU s':>8}"
    )
    for kind in given.only.split(","):
        count = given.trials if kind == "equal" else SEEDS_TO_DETECT
        said = []
        for seed in range(1, count + 1):
            begun, busy = time.monotonic(), time.process_time()
            arms = halves(rows, given.rows, kind, seed)
            folder = given.folder / f"{kind}-{given.rows}-{seed}"
            trial = run_trial(arms, student, folder, held_out=held_out, seed=seed, checked=0, report=lambda line: None)
            pair = trial.pairs[0]
            said.append(found_by(trial, kind))
            seconds = f"{time.monotonic() - begun:>8.0f}{time.process_time() - busy:>8.0f}"
            print(f"{kind:<12}{seed:>4}  {said[-1]:<10}{pair.d_gap!s:<28}{pair.d_nll!s:<28}{seconds}", flush=True)
        wanted = "silent" if kind == "equal" else "detected"
        print(f"{kind}: {wanted} in {said.count(wanted)} of {count} trials")


if __name__ == "__main__":
    main()

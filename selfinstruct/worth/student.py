"""Train a student on several datasets and on a control, and tell what it learned: `run_trial` and `read_trial`.

Every finished student is one line on disk, so that a killed trial continues where it was. `read_trial` needs no torch.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.reviews import Content
from ..strategies.verifiable.task import Task
from .student_model import SETTINGS, Student, Text
from .student_results import PlannedArm, StudentResult, TrialFolder, TrialPlan, trial_of
from .student_texts import (
    TrialRow,
    check,
    checked_tasks,
    derange,
    load_held_out,
    parts_of,
    passes,
    row_of,
    without_overlap,
)
from .trial import CONTROL, Trial

PASSES = 3
"""How often a student reads its rows, of the arm whose rows have the fewest answer tokens; a few less of the others."""
FEWEST_SEEDS = 3
FEWEST_ROWS = 4
"""Of each student."""
FEWEST_TASKS = 10
"""With fewer held-out tasks, a trial would say nothing."""


@dataclass(frozen=True, slots=True)
class _Exam:
    """What every student is measured with, before or after its training.

    own: the held-out tasks with their answers. wrong: the same answers, each after the prompt of another task. tasks:
    those that a program checks. solutions: their prompts with model answers, whose tokens a student may write.
    """

    own: list[Text]
    wrong: list[Text]
    tasks: list[Task]
    solutions: list[Text]

    @property
    def texts(self) -> list[Text]:
        return self.own + self.wrong + self.solutions


def run_trial(
    contents: Mapping[str, Sequence[Content]],
    student: str | Path | Student,
    folder: str | Path,
    *,
    held_out: str | Path | None = None,
    seeds: int = 3,
    seed: int = 42,
    full: bool = False,
    checked: int = 30,
    report: Callable[[str], None] = print,
) -> Trial:
    """Run a trial, or continue one, and return what it found. The same inputs give the same result.

    Args:
        contents: The rows of each arm, by its name, as `selfinstruct.worth.arms.contents_of` returns them.
        student: A folder with a causal model and its tokenizer, a GGUF file, a name of the catalog, or a student that
            is loaded already.
        folder: Where the results are kept.
        held_out: A file of tasks in any layout that seeds may have; None for the tasks that ship with the package.
        seeds: How many students to train on each arm, at least 3. Each reads rows of its own, a part of the arm.
        seed: Decides these parts, the order of rows, the wrong prompts, the control, and the checked tasks.
        full: Train all layers, which needs a GPU or patience; decided already for a student that is loaded.
        checked: How many tasks to draw whose answers a program checks. Each student answers all of them.
        report: Called with a line about each finished student.

    Raises:
        UsageError: The extra is missing, the student or the tasks can't be read, or an arm has too few rows.
        RunLocked: Another process uses the folder.
        StorageError: The folder can't be written.
    """
    if seeds < FEWEST_SEEDS:
        raise UsageError(f"seeds: {seeds} can't show how much students differ; train at least {FEWEST_SEEDS}")
    asked, dropped = without_overlap(load_held_out(held_out), contents)
    with TrialFolder(folder) as place:
        model = student if isinstance(student, Student) else Student(student, full)
        exam = _exam(model, asked, dropped, checked_tasks(checked, seed), seed)
        # Each student's own part of the rows, and what it reads until all have learned from as many answer tokens.
        parts = {name: _parts(model, name, rows, seeds, seed) for name, rows in _arms(contents, seed).items()}
        answer_tokens = PASSES * min(
            sum(each.answer_tokens for each in part) for name in contents for part in parts[name]
        )
        readings = {
            name: [passes(part, answer_tokens, f"{seed}:{number}") for number, part in enumerate(of_arm)]
            for name, of_arm in parts.items()
        }
        known = [text for of_arm in readings.values() for reading in of_arm for text in reading] + exam.texts
        common = _digest(
            model.digest, model.full, SETTINGS, sorted({i for text in known for i in text.ids}), exam.texts
        )
        keys = {name: [_digest(common, reading) for reading in of_arm] for name, of_arm in readings.items()}
        arms = [PlannedArm(name, sum(map(len, parts[name])), tuple(keys[name])) for name in keys]
        plan = TrialPlan(model.name, answer_tokens, len(exam.own), dict(dropped), common, arms[-1], tuple(arms[:-1]))
        place.write_plan(plan)
        jobs: dict[str, tuple[str, list[Text]]] = {common: ("untrained", [])}
        for number in range(seeds):
            jobs |= {keys[name][number]: (name, readings[name][number]) for name in (CONTROL, *contents)}
        _run(place, model, exam, jobs, report)
        return trial_of(plan, place.results())


def read_trial(folder: str | Path) -> Trial:
    """Return what a finished trial found.

    Raises:
        UsageError: The folder has no trial, or one that isn't finished.
    """
    place = TrialFolder(folder)
    plan, results = place.plan(), place.results()
    if left := sum(key not in results for key in plan.keys):
        raise UsageError(f"{folder}: {counted(left, 'student')} left to train; continue with the command that began it")
    return trial_of(plan, results)


def _run(
    place: TrialFolder,
    model: Student,
    exam: _Exam,
    jobs: Mapping[str, tuple[str, list[Text]]],
    report: Callable[[str], None],
) -> None:
    """Train and measure the students that have no result yet. jobs: by key, the arm and what the student reads."""
    done, begun = place.results(), time.monotonic()
    left = [key for key in jobs if key not in done]
    if left:
        model.prepare(
            [text for _, reading in jobs.values() for text in reading] + exam.own + exam.wrong, exam.solutions
        )
    for key in left:
        arm, reading = jobs[key]
        model.train(reading)
        own, wrong = model.losses(exam.own), model.losses(exam.wrong)
        passed = check(exam.tasks, model.answers(exam.solutions))
        place.add(StudentResult(key, tuple(own.tolist()), tuple(wrong.tolist()), tuple(passed)))
        number = list(jobs).index(key) + 1
        report(f"student {number} of {len(jobs)}, {arm}: loss {own.mean():.3f}, pairing gap {(wrong - own).mean():.3f}")
    if left:
        report(f"{counted(len(left), 'student')} trained and measured in {(time.monotonic() - begun) / 60:,.1f} min")


def _exam(model: Student, asked: Sequence[Content], dropped: Counter[str], checked: Sequence[Task], seed: int) -> _Exam:
    """Prepare what students are measured with. Raises UsageError if too little is left of the held-out tasks."""
    rows = [row for row in map(row_of, asked) if model.encode(row.messages, row.answer)]
    if refused := len(asked) - len(rows):
        dropped["too long, or of a role that the student's template refuses"] = refused
    if len(rows) < FEWEST_TASKS:
        raise UsageError(f"--held-out: {counted(len(rows), 'task')} can be used; at least {FEWEST_TASKS} are needed")
    others = [rows[number].messages for number in derange(len(rows), f"{seed}:wrong")]
    wrong = [TrialRow(other, row.answer) for other, row in zip(others, rows, strict=True)]
    # A task comes with its model answer where there is one, so that the student may write its tokens.
    answered = [(task, text) for task in checked if (text := model.encode(*_solved(task)))]
    return _Exam(
        _encode(model, rows), _encode(model, wrong), [task for task, _ in answered], [text for _, text in answered]
    )


def _solved(task: Task) -> tuple[list[list[str]], str]:
    return [["user", f"{task.instruction}\n\n{task.input}".strip()]], task.solution


def _arms(contents: Mapping[str, Sequence[Content]], seed: int) -> dict[str, list[TrialRow]]:
    """Return the rows of each arm, and of the control: as many, drawn from all arms, each with another row's answer."""
    if CONTROL in contents:
        raise UsageError(f"{CONTROL}: is the name of the trial's own arm; rename this dataset")
    arms = {name: list(map(row_of, rows)) for name, rows in contents.items()}
    pooled = [row for rows in arms.values() for row in rows]
    drawn = random.Random(f"{seed}:control").sample(pooled, min(map(len, arms.values())))
    answers = [drawn[number].answer for number in derange(len(drawn), f"{seed}:answers")]
    return {**arms, CONTROL: [TrialRow(row.messages, answer) for row, answer in zip(drawn, answers, strict=True)]}


def _parts(model: Student, name: str, rows: Sequence[TrialRow], count: int, seed: int) -> list[list[Text]]:
    """Split the rows that the student can take into a part for each student. Raises UsageError if there are too few."""
    texts = _encode(model, rows)
    if len(texts) < FEWEST_ROWS * count:
        raise UsageError(
            f"{name}: {counted(len(texts), 'row')} can be used; {count} students need at least {FEWEST_ROWS} each"
        )
    return parts_of(texts, count, f"{seed}:{name == CONTROL}")


def _encode(model: Student, rows: Sequence[TrialRow]) -> list[Text]:
    return [text for row in rows if (text := model.encode(row.messages, row.answer))]


def _digest(*values: Any) -> str:
    """Return 32 hex digits of the SHA-256 of values and texts."""
    return hashlib.sha256(json.dumps(values, default=astuple).encode()).hexdigest()[:32]

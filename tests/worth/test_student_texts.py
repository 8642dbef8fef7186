"""What students read: drawn by a seed, the same number of answer tokens for all, no held-out task of an arm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.errors import UsageError
from selfinstruct.worth.student_texts import (
    check,
    checked_tasks,
    derange,
    load_held_out,
    parts_of,
    passes,
    row_of,
    without_overlap,
)


@dataclass(frozen=True)
class Answer:
    name: int
    answer_tokens: int

    def cut(self, answer_tokens: int) -> Answer:
        return Answer(self.name, answer_tokens)


def content(instruction: str, answer: str = "Yes.") -> dict[str, object]:
    return {"instruction": instruction, "examples": [{"messages": [["user", instruction]], "answer": answer}]}


@given(st.integers(2, 40), st.text(max_size=4))
def test_a_derangement_leaves_nothing_in_its_place(count: int, seed: str) -> None:
    order = derange(count, seed)
    assert sorted(order) == list(range(count))
    assert all(number != place for place, number in enumerate(order))
    assert order == derange(count, seed)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 200))
def test_all_readings_have_the_same_answer_tokens(lengths: list[int], tokens: int) -> None:
    rows = [Answer(number, length) for number, length in enumerate(lengths)]
    read = passes(rows, tokens, "seed")
    assert sum(each.answer_tokens for each in read) == tokens
    # No row is read a second time before all have been.
    for start in range(0, len(read), len(rows)):
        names = [each.name for each in read[start : start + len(rows)]]
        assert len(set(names)) == len(names)


@given(st.integers(3, 50), st.integers(3, 5))
def test_each_row_is_in_one_part(count: int, parts: int) -> None:
    found = parts_of(range(count), parts, "seed")
    assert sorted(row for part in found for row in part) == list(range(count))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_the_shipped_held_out_tasks_are_many_and_short() -> None:
    rows = [row_of(task) for task in load_held_out(None)]
    assert len(rows) >= 200
    assert all(row.answer for row in rows)


def test_a_held_out_task_that_an_arm_has_is_dropped_with_its_reason() -> None:
    long = "Explain to a child of ten years why the moon is sometimes a narrow sickle and sometimes round"
    tasks = [content("Name a river in Africa."), content("Sort these four words by length."), content(long + ".")]
    arms = {"a": [content("Name a river in Africa!")], "b": [content(f"In two sentences, {long.lower()}?")]}
    kept, dropped = without_overlap(tasks, arms)
    assert [task["instruction"] for task in kept] == ["Sort these four words by length."]
    assert sum(dropped.values()) == 2
    assert any("in a row" in reason for reason in dropped)


def test_a_program_checks_the_checked_tasks() -> None:
    tasks = checked_tasks(30, seed=1)
    assert tasks == checked_tasks(30, seed=1)
    assert len(tasks) == 30
    assert len({task.meaning for task in tasks}) == len(tasks)
    solved = [task for task in tasks if task.solution]
    assert solved
    assert all(check(solved, [task.solution for task in solved]))
    assert not any(check(solved, ["no idea at all, sorry"] * len(solved)))


def test_held_out_tasks_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_held_out(tmp_path / "nothing.jsonl")

"""The held-out tasks that ship: enough, short, no two alike, none like a seed, and right where a program can tell."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from worked import keep

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.tasks import Candidate
from selfinstruct.filters import instruction_filters
from selfinstruct.novelty import NoveltyIndex
from selfinstruct.seeds.load import load_seeds, unread_notes

SEEDS = Path(__file__).parents[2] / "seeds"
TASKS = load_seeds(SEEDS / "held_out.jsonl")
OUTPUTS = {task.name: task.instances[0].output for task in TASKS}
INPUTS = {task.name: task.instances[0].input for task in TASKS}


def test_there_are_enough_of_every_kind() -> None:
    kinds = Counter(str(task.name).partition("_")[0] for task in TASKS)
    assert len(TASKS) >= 240
    assert len(OUTPUTS) == len(TASKS)
    assert len(kinds) == 20
    assert set(kinds.values()) == {13}
    assert unread_notes(TASKS) == []


def test_answers_are_short_and_a_run_would_keep_them() -> None:
    checks = instruction_filters(RunConfig.parse({"seeds": "-", "run_dir": "-"}))
    for task in TASKS:
        [instance] = task.instances
        assert 3 <= len(instance.output.split()) <= 60, task.name
        assert all(check.check(Candidate(task.instruction)).ok for check in checks), task.name
        assert keep([(instance.input, instance.output)], instruction=task.instruction)[1] == [], task.name


def test_no_two_are_alike_and_none_is_like_a_seed() -> None:
    index = NoveltyIndex(max_similarity=0.7)
    for path in sorted(SEEDS.glob("*.jsonl")):
        if path.name != "held_out.jsonl":
            for task in load_seeds(path):
                index.admit(f"{path.name} {task.id}", task.instruction)
    for task in TASKS:
        verdict = index.check(task.instruction)
        assert verdict.ok, (task.instruction, verdict)
        index.admit(task.id, task.instruction)


@pytest.mark.parametrize(
    ("name", "result"),
    {
        "arithmetic_addition": 17 + 26,
        "arithmetic_multiplication": 8 * 12,
        "arithmetic_books_pen": 2 * 14 + 3,
        "arithmetic_division": 144 // 9,
        "arithmetic_percent": 80 * 25 // 100,
        "arithmetic_sweets": 50 - 18,
        "arithmetic_average": (4 + 8 + 12) // 3,
        "arithmetic_train_time": "{0.hour} hour and {0.minute} minutes".format(
            datetime.min + (datetime(1, 1, 1, 11, 15) - datetime(1, 1, 1, 9, 40))
        ),
        "arithmetic_area": 6 * 4,
        "arithmetic_subtraction": 1000 - 275,
        "arithmetic_shared_bill": 90 // 5,
        "arithmetic_sequence": 16 * 2,
        "arithmetic_triple": 3 * 15,
        "convert_km_m": f"{3 * 1000:,}",
        "convert_hours_minutes": 2 * 60 + 30,
        "convert_celsius": 20 * 9 // 5 + 32,
        "convert_percentage": 3 * 100 // 4,
        "convert_evening_clock": f"{7 + 12}:30",
        "convert_kg_g": f"{1500:,}",
        "convert_iso_date": f"{datetime(2021, 3, 5):%Y-%m-%d}",
        "convert_decimal_fraction": f"1/{10 // 2}",
        "convert_binary": int("101", 2),
        "truth_leap_year": 2024 // 4,
        "truth_dozen": 12 + 6,
        "plan_book_ten_days": 300 // 10,
        "order_numbers": ", ".join(map(str, sorted([42, 7, 19, 3]))),
        "order_alphabet": ", ".join(sorted(["pear", "apple", "cherry", "banana"])),
    }.items(),
)
def test_a_result_is_computed_again(name: str, result: object) -> None:
    assert str(result) in OUTPUTS[name]


@pytest.mark.parametrize(
    ("name", "call", "result"),
    [
        ("code_square", "square(-7)", 49),
        ("code_is_even", "[is_even(n) for n in (-2, 0, 3)]", [True, True, False]),
        ("code_list_literal", "numbers", list(range(1, 6))),
        ("code_total", "total([1, 2.5, -3])", 0.5),
        ("code_join", "result", "a,b"),
    ],
)
def test_code_does_what_the_task_asks(name: str, call: str, result: object) -> None:
    names: dict[str, object] = {"words": ["a", "b"]}
    exec(OUTPUTS[name], names)
    assert eval(call, names) == result


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (INPUTS["code_prints"], "7\n"),
        (OUTPUTS["code_loop"], "1\n2\n3\n"),
        (OUTPUTS["code_hello"].rpartition("\n\n")[2], "Hello\n"),
        (OUTPUTS["code_colon"].rpartition("\n\n")[2], "0\n1\n2\n"),
    ],
)
def test_code_prints_what_is_said(code: str, printed: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code)
    assert out.getvalue() == printed


def test_the_rest_of_the_code() -> None:
    with pytest.raises(SyntaxError):
        compile(INPUTS["code_colon"], "code", "exec")
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE books (title TEXT); INSERT INTO books VALUES ('Emma'), ('Ulysses');")
    assert database.execute(OUTPUTS["code_sql_all"]).fetchall() == [("Emma",), ("Ulysses",)]
    assert eval(OUTPUTS["code_reverse"].split()[0], {"text": "abc"}) == "cba"
    assert OUTPUTS["code_prints"] == "The code prints 7."


def test_lines_are_plain_rows_of_the_published_layout() -> None:
    for line in (SEEDS / "held_out.jsonl").read_text(encoding="utf-8").splitlines():
        assert list(json.loads(line)) == ["id", "name", "instruction", "instances", "is_classification"]

"""Blind reading: rows of one or several datasets, drawn by a seed, are graded without their source."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_loop import grow
from test_review import ask, reviewed
from test_serve import browser_needed, chromium

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.reviews import Content, digest_of
from selfinstruct.worth.arms import contents_of
from selfinstruct.worth.blind_comparison import compare, reading
from selfinstruct.worth.blind_reading import BlindReading, Grade, Grades, agreement, draw, results

MakeConfig = Callable[..., RunConfig]
RIGHT = {"valid": True, "correct": True, "keep": True, "difficulty": "easy"}
GRADE = Grade("d", "anna", True, True, True, "easy")


def row(text: str, answer: str = "Yes.") -> Content:
    return {"instruction": text, "examples": [{"messages": [["user", text]], "input": None, "answer": answer}]}


def dataset(path: Path, count: int, word: str) -> Path:
    rows = [{"instruction": f"{word} {n}?", "input": "", "output": f"Answer {n}."} for n in range(count)]
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Two files, whose rows tell their source to the test, and not by it to the reader."""
    return [dataset(tmp_path / "a.jsonl", 12, "Why"), dataset(tmp_path / "b.jsonl", 9, "How")]


def grade(desk: BlindReading, digest: str, yes: bool = True, **others: Any) -> dict[str, Any]:
    return desk.decide(RIGHT | {"digest": digest, "correct": yes, "keep": yes} | others)


# --- which rows -----------------------------------------------------------------------------------


def test_a_text_is_the_same_in_every_layout(make_config: MakeConfig, tmp_path: Path) -> None:
    run = grow(make_config(target=6), export=True)
    expected = {digest_of(each) for each in contents_of(run.path)}
    assert len(expected) == 6
    assert {digest_of(each) for each in contents_of(run.dataset_path)} == expected
    for layout in ("alpaca", "messages", "sharegpt", "prompt_completion_chat"):
        file = tmp_path / f"{layout}.jsonl"
        done = cli("export", run.path, "--format", layout, "--output", file)
        assert done.returncode == 0, done.stderr
        assert {digest_of(each) for each in contents_of(file)} == expected, layout


def test_the_first_instance_of_a_seed_task_is_its_input_and_answer(tmp_path: Path) -> None:
    file = tmp_path / "seeds.jsonl"
    instances = [{"input": "dog", "output": "chien"}, {"input": "cat", "output": "chat"}]
    file.write_text(json.dumps({"instruction": "Translate.", "instances": instances, "is_classification": False}))
    assert contents_of(file) == [row("Translate.\n\ndog", "chien") | {"instruction": "Translate.\n\ndog"}]


def test_a_dialogue_is_read_to_its_last_answer(tmp_path: Path) -> None:
    said = [("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "So long")]
    file = tmp_path / "chat.jsonl"
    file.write_text(json.dumps({"messages": [{"role": role, "content": text} for role, text in said]}))
    (content,) = contents_of(file)
    assert content["examples"][0]["messages"] == [["user", "Hi"], ["assistant", "Hello"], ["user", "Bye"]]
    assert content["examples"][0]["answer"] == "So long"


def test_a_source_without_tasks_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"title": "no task"}\n')
    for source in (tmp_path / "x.jsonl", tmp_path / "nothing.jsonl"):
        done = cli("worth", source, "--read")
        assert done.returncode == 2
        assert str(source) in done.stderr


@pytest.mark.parametrize("seed", range(20))
def test_any_beginning_has_as_many_rows_of_each_source(seed: int) -> None:
    given = {name: [row(f"{name}{n}") for n in range(30)] for name in "abc"}
    rows = draw(given, 20, seed)
    for count in range(1, len(rows) + 1):
        counts = Counter(each.sources[0] for each in rows[:count])
        assert max(counts.values()) - min(counts.get(name, 0) for name in given) <= 1
    assert len(rows) == 60
    assert [each.digest for each in rows[:30]] == [each.digest for each in draw(given, 10, seed)], "more continues less"
    shuffled = {name: random.Random(seed).sample(texts, len(texts)) for name, texts in given.items()}
    assert draw(shuffled, 20, seed) == rows
    assert [each.digest for each in draw(given, 20, seed + 1)] != [each.digest for each in rows]


def test_every_row_is_as_likely_and_so_is_every_source_to_come_first() -> None:
    given = {name: [row(f"{name}{n}") for n in range(10)] for name in "ab"}
    drawn: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for seed in range(1000):
        rows = draw(given, 4, seed)
        drawn.update(each.digest for each in rows)
        first.update(rows[0].sources)
    # Each is a binomial count; these are more than four standard deviations.
    assert all(330 < count < 470 for count in drawn.values())
    assert len(drawn) == 20
    assert all(430 < count < 570 for count in first.values())


def test_a_text_of_two_samples_is_read_once_and_counts_for_both() -> None:
    shared = [row(f"shared {n}") for n in range(3)]
    rows = draw({"a": [*shared, row("only a")], "b": shared}, 10, 1)
    assert len(rows) == 4
    assert Counter(each.sources for each in rows) == {("a", "b"): 3, ("a",): 1}
    found = results("ab", rows, [replace(GRADE, digest=each.digest, keep=each.sources == ("a", "b")) for each in rows])
    assert [(each.source, each.read, each.keep) for each in found] == [("a", 4, 0.75), ("b", 3, 1.0)]


# --- grades ---------------------------------------------------------------------------------------


def test_grades_are_lines_that_another_reading_of_the_same_texts_uses(sources: list[Path], tmp_path: Path) -> None:
    grades = tmp_path / "new" / "grades.jsonl"
    desk = reading(sources, grades, "anna", rows=3)
    for digest in desk.rows:
        grade(desk, digest, note="fine")
    first = json.loads(grades.read_text().splitlines()[0])
    assert list(first) == ["digest", "reader", "valid", "correct", "keep", "difficulty", "note", "at"]
    assert "Why" not in grades.read_text()
    assert str(sources[0]) not in grades.read_text()
    copy = tmp_path / "copy.jsonl"
    copy.write_text(sources[0].read_text())
    assert reading([copy], grades, "anna", rows=3).left() == 0
    assert reading([copy], grades, "ben", rows=3).left() == 3
    assert reading(sources, grades, "anna", rows=5).left() == 4


def test_the_last_grade_counts_and_undo_takes_it_back(tmp_path: Path) -> None:
    grades = Grades(tmp_path / "grades.jsonl")
    assert grades.by_reader() == {}
    grades.add(GRADE)
    grades.add(replace(GRADE, keep=False))
    grades.add(replace(GRADE, reader="ben"))
    assert [each["d"].keep for each in grades.by_reader().values()] == [False, True]
    grades.undo("d", "anna")
    assert grades.by_reader()["anna"] == {}
    assert len(grades.path.read_text().splitlines()) == 4


def test_half_a_line_that_a_kill_left_is_replaced_and_another_wrong_line_named(tmp_path: Path) -> None:
    grades = Grades(tmp_path / "grades.jsonl")
    grades.add(GRADE)
    whole = grades.path.read_text()
    grades.path.write_text(whole + whole[:20])
    assert list(grades.by_reader()["anna"]) == ["d"]
    grades.add(replace(GRADE, digest="e"))
    assert list(grades.by_reader()["anna"]) == ["d", "e"]
    for wrong in ("{}", "[]", "no", '{"reader": "anna", "digest": "d", "source": "a"}'):
        grades.path.write_text(whole + wrong + "\n")
        with pytest.raises(UsageError, match="line 2 is no grade"):
            grades.by_reader()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep": None}, "must be true or false"),
        ({"valid": "yes"}, "must be true or false"),
        ({"difficulty": "odd"}, "difficulty"),
        ({"note": 5}, "note"),
        ({"digest": "0"}, "no row to read"),
    ],
)
def test_a_wrong_grade_is_refused(sources: list[Path], tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    desk = reading(sources, tmp_path / "grades.jsonl", "anna", rows=3)
    with pytest.raises(UsageError, match=said):
        desk.decide(RIGHT | {"digest": next(iter(desk.rows))} | changes)
    assert not (tmp_path / "grades.jsonl").exists()


# --- the end --------------------------------------------------------------------------------------


def test_no_answer_names_a_source_before_the_end_and_grades_stand_after_it(sources: list[Path], tmp_path: Path) -> None:
    desk = reading(sources, tmp_path / "grades.jsonl", "anna", rows=3)
    for digest, each in desk.rows.items():
        assert "jsonl" not in json.dumps([desk.shown(), desk.page])
        with pytest.raises(UsageError, match="left to read"):
            desk.end()
        grade(desk, digest, each.content["instruction"].startswith("Why"))
    outcome = desk.end()
    assert [(each["source"], each["keep"], each["read"]) for each in outcome["results"]] == [
        (str(sources[0]), 1.0, 3),
        (str(sources[1]), 0.0, 3),
    ]
    with pytest.raises(UsageError, match="grades stand"):
        grade(desk, digest)
    [_, other] = compare(sources, desk.grades.path, rows=3).read["anna"]
    assert other.line == (
        f"{sources[1]}: 0.0% kept (95% interval 0.0% to 56.2%), 100.0% valid tasks, 0.0% correct and complete; "
        "3 easy, 0 medium, 0 hard; 3 read"
    )


def test_two_readers_agree_by_kappa(sources: list[Path], tmp_path: Path) -> None:
    for reader in ("anna", "ben"):
        desk = reading(sources, tmp_path / "grades.jsonl", reader, rows=5)
        for number, digest in enumerate(desk.rows):
            grade(desk, digest, number >= (2 if reader == "anna" else 3))
    assert desk.end()["lines"] == ["anna and ben agree on 9 of 10, Cohen's kappa 0.74"]
    assert agreement(list(desk.rows.values()), {"anna": {}, "ben": {}}) == []


def test_one_dataset_is_read_to_its_last_row_and_has_a_share_without_a_difference(
    sources: list[Path], tmp_path: Path
) -> None:
    desk = reading(sources[:1], tmp_path / "grades.jsonl", "anna", rows=8)
    given = ["worth", sources[0], "--rows", "8", "--grades", desk.grades.path, "--reader", "anna"]
    for number, digest in enumerate(desk.rows):
        assert f"anna: {8 - number} row" in cli(*given).stdout or number == 0
        with pytest.raises(UsageError, match="left to read"):
            desk.end()
        grade(desk, digest, number > 0)
    assert [(each["source"], each["keep"], each["read"]) for each in desk.end()["results"]] == [
        (str(sources[0]), 7 / 8, 8)
    ]
    done = cli(*given)
    assert f"  {sources[0]}: 87.5% kept (95% interval 52.9% to 97.8%), 100.0% valid tasks" in done.stdout
    assert "better" not in done.stdout
    assert "decided" not in done.stdout
    assert done.stderr == ""


def test_no_page_is_served_when_nothing_is_left_to_read(sources: list[Path], tmp_path: Path) -> None:
    desk = reading(sources[:1], tmp_path / "grades.jsonl", "anna", rows=2)
    for digest in desk.rows:
        grade(desk, digest)
    done = cli("worth", sources[0], "--read", "--rows", "2", "--grades", desk.grades.path, "--reader", "anna")
    assert done.stderr == "selfinstruct: anna: nothing left to read\n"
    assert done.stdout.startswith("read blind by anna\n")


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.browser
@browser_needed
@pytest.mark.parametrize("count", [1, 2])
def test_rows_are_graded_by_keyboard_alone_and_a_kill_loses_nothing(
    sources: list[Path], tmp_path: Path, count: int
) -> None:
    grades = Grades(tmp_path / "grades.jsonl")
    options = (
        *map(str, sources[1:count]),
        "--rows",
        f"{12 // count}",
        "--grades",
        f"{grades.path}",
        "--reader",
        "anna",
    )
    for batch in range(2):
        with (
            reviewed(sources[0], "--read", *options, command="worth") as (address, process),
            chromium(address) as (page, said),
        ):
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            for number in range(batch * 6, 6 + batch * 6):
                page.locator(f"#state:has-text('{number} read')").wait_for()
                for key in "yyy2" if "Why" in page.inner_text("#record") else "yny3":
                    page.keyboard.press(key)
                page.locator(f"#state:has-text('{number + 1} read')").wait_for()
                assert "jsonl" not in page.content()
            title = "Blind reading: 12 rows" + (", 2 sources" if count == 2 else "")
            assert page.inner_text("h1") == title
            if batch == 0:
                process.send_signal(signal.SIGKILL)  # between two key presses
            else:
                page.keyboard.press("u")
                page.locator("#state:has-text('11 read')").wait_for()
                for key in "yyy2" if "Why" in page.inner_text("#record") else "yny3":
                    page.keyboard.press(key)
                page.locator("#state:has-text('12 read')").wait_for()
                page.keyboard.press("Enter")
                page.wait_for_selector("#outcome tbody tr")
                rows = [each.inner_text().split("\t") for each in page.locator("#outcome tbody tr").all()]
                # source, kept, interval, its chart, valid, correct
                found = [(row[0], row[1], row[5]) for row in rows]
                correct = [(str(sources[0]), "100.0%", "100.0%"), (str(sources[1]), "100.0%", "0.0%")]
                assert found == correct[:count]
                assert ("jsonl" in page.inner_text("#record")) == (count > 1)
            assert said == []
        if batch == 1:
            assert "read blind by anna" in (process.stdout.read() if process.stdout else "")
    assert len(grades.by_reader()["anna"]) == 12


def test_two_tabs_of_one_reader_and_a_second_reader_write_to_one_file(sources: list[Path], tmp_path: Path) -> None:
    options = (str(sources[1]), "--read", "--rows", "5", "--grades", str(tmp_path / "grades.jsonl"))
    with reviewed(sources[0], *options, "--reader", "anna", command="worth") as (one, _):  # noqa: SIM117
        with reviewed(sources[0], *options, "--reader", "ben", command="worth") as (other, _):
            digests = [each["digest"] for each in json.loads(ask(one, "items")[1])]
            assert digests == [each["digest"] for each in json.loads(ask(other, "items")[1])]
            for digest in digests:
                assert {ask(each, "decide", RIGHT | {"digest": digest})[0] for each in (one, other, one)} == {200}
            assert ask(one, "end")[0] == 200
    assert {name: len(each) for name, each in Grades(tmp_path / "grades.jsonl").by_reader().items()} == {
        "anna": 10,
        "ben": 10,
    }

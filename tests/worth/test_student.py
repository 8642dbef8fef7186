"""A student trial with a real model: a tiny Llama that the test makes, on the processor. `make trainer` runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_llama, tiny_tokenizer
from typer.testing import CliRunner

from conftest import ROOT
from selfinstruct.cli.app import app
from selfinstruct.core.errors import UsageError
from selfinstruct.teachers.local.catalog import load_catalog
from selfinstruct.teachers.local.weights import cached
from selfinstruct.worth.arms import contents_of
from selfinstruct.worth.student import read_trial, run_trial
from selfinstruct.worth.student_model import Student, Text
from selfinstruct.worth.student_results import STUDENTS
from selfinstruct.worth.trial import CONTROL

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs 'student': `make trainer`"),
]
COLOURS = "red green blue black white pink brown grey".split()
THINGS = "car tree door wall hat cup lamp boat".split()


def rows(part: int) -> list[dict[str, str]]:
    """Tasks whose answers follow from them, so that even a tiny student can learn to look at the prompt."""
    tasks = [(colour, thing) for colour in COLOURS for thing in THINGS]
    return [
        {"instruction": f"Which color has the {colour} {thing}?", "input": "", "output": f"The {thing} is {colour}."}
        for number, (colour, thing) in enumerate(tasks)
        if number % 4 == part
    ]


def write(path: Path, values: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two arms, held-out tasks, and a student of two layers."""
    folder = tmp_path_factory.mktemp("student")
    for number, name in enumerate(("a", "b", "held_out")):
        write(folder / f"{name}.jsonl", rows(number))
    tokenizer = tiny_tokenizer([f"{row['instruction']} {row['output']}" for number in range(4) for row in rows(number)])
    tokenizer.save_pretrained(folder / "tiny")
    tiny_llama(tokenizer, eos_token_id=tokenizer.eos_token_id).save_pretrained(folder / "tiny")
    return folder


def trial_in(place: Path, folder: str, **settings: Any) -> Any:
    contents = {name: contents_of(place / f"{name}.jsonl") for name in ("a", "b")}
    values = {"held_out": place / "held_out.jsonl", "report": lambda line: None, **settings}
    return run_trial(contents, place / "tiny", place / folder, **values)


@pytest.fixture(scope="module")
def finished(place: Path) -> Any:
    return trial_in(place, "finished")


def test_a_trial_has_an_effect_for_each_arm_and_the_control(finished: Any) -> None:
    assert [arm.name for arm in finished.arms] == ["a", "b"]
    assert finished.control.name == CONTROL
    assert [(pair.first, pair.second) for pair in finished.pairs] == [("a", "b")]
    assert finished.seeds == 3
    for arm in (*finished.arms, finished.control):
        assert arm.d_nll.low < arm.d_nll.value < arm.d_nll.high < 0  # anything is better than random weights
        assert arm.answer_tokens == finished.control.answer_tokens


def test_reading_a_finished_trial_gives_the_same(place: Path, finished: Any) -> None:
    assert read_trial(place / "finished") == finished


def test_reading_needs_no_torch(place: Path, finished: Any) -> None:
    program = (
        "import sys; from selfinstruct.worth.student import read_trial; read_trial(sys.argv[1]);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, place / "finished"], check=True, cwd=ROOT)


def test_the_same_inputs_give_the_same_result(place: Path, finished: Any) -> None:
    assert trial_in(place, "again") == finished


def test_a_finished_trial_trains_nothing_again(place: Path, finished: Any) -> None:
    before = (place / "finished" / STUDENTS).read_bytes()
    assert trial_in(place, "finished") == finished
    assert (place / "finished" / STUDENTS).read_bytes() == before


def test_a_killed_trial_continues_and_ends_with_the_same_result(place: Path, finished: Any) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]; import test_student;"
        "test_student.trial_in(Path(sys.argv[1]), 'killed')"
    )
    paths = [str(ROOT / "tests" / name) for name in ("", "worth", "trainers")]
    lines = place / "killed" / STUDENTS
    with subprocess.Popen([sys.executable, "-c", program, str(place), *paths], cwd=ROOT) as process:
        while not (lines.exists() and lines.read_text().count("\n") >= 2) and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    done = lines.read_bytes()
    assert 2 <= done.count(b"\n") < 10
    with pytest.raises(UsageError, match="left to train"):
        read_trial(place / "killed")
    with lines.open("ab") as file:
        file.write(b'{"key": "half a li')
    assert trial_in(place, "killed") == finished
    assert lines.read_bytes().startswith(done)


def test_a_student_that_is_loaded_serves_several_trials(place: Path, finished: Any) -> None:
    contents = {name: contents_of(place / f"{name}.jsonl") for name in ("a", "b")}
    student = Student(place / "tiny")
    for folder in ("loaded", "loaded_again"):
        found = run_trial(
            contents, student, place / folder, held_out=place / "held_out.jsonl", report=lambda line: None
        )
        assert found == finished


def test_the_command_continues_a_trial_whatever_its_datasets_are_called(place: Path, finished: Any) -> None:
    sources = [str(place / f"{name}.jsonl") for name in ("a", "b")]
    options = {"grades": "grades.jsonl", "student": "tiny", "trial": "finished", "held-out": "held_out.jsonl"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(place / value))]
    before = (place / "finished" / STUDENTS).read_bytes()
    shown = CliRunner().invoke(app, ["worth", *sources, *words])
    assert shown.exit_code == 0, shown.output
    assert finished.line in shown.output.splitlines()
    assert (place / "finished" / STUDENTS).read_bytes() == before
    trial_in(place, "finished")  # for other tests, the plan has its names again


def test_another_seed_trains_other_students(place: Path, finished: Any) -> None:
    assert trial_in(place, "other_seed", seed=7).arms != finished.arms


def test_without_checked_tasks_there_is_no_pass_rate(place: Path, finished: Any) -> None:
    found = trial_in(place, "unchecked", checked=0)
    assert {arm.passed for arm in found.arms} == {None}


def test_full_trains_all_layers(place: Path, finished: Any) -> None:
    assert trial_in(place, "full", full=True).arms != finished.arms


def test_layers_run_apart_give_the_losses_of_the_whole_model(place: Path) -> None:
    import torch

    student = Student(place / "tiny")
    texts = [student.encode([["user", row["instruction"]]], row["output"]) for row in rows(3)]
    texts = [Text(text.ids, text.start) for text in texts if text is not None]
    student.prepare(texts, [Text(tuple(range(student._model.config.vocab_size)), 1)])
    whole = []
    for text in texts:
        with torch.no_grad():
            logits = student._model(torch.tensor([text.ids])).logits[0, text.start - 1 : -1]
            loss = torch.nn.functional.cross_entropy(
                logits[:, student._vocabulary], torch.tensor(text.ids[text.start :])
            )
        whole.append(float(loss))
    np.testing.assert_allclose(student.losses(texts), whole, atol=1e-4)


@pytest.mark.skipif(cached(load_catalog()["smollm2-135m"]) is None, reason="the weights of smollm2-135m aren't here")
def test_smollm2_keeps_its_tokenizer_and_its_template() -> None:
    student = Student("smollm2-135m")
    text = student.encode([["user", "What is the capital of France?"]], "The capital of France is Paris.")
    assert text is not None
    # SmolLM2's special tokens come first: 1 begins a message, 2 ends one.
    assert text.ids[0] == 1
    assert text.ids[-1] == 2
    wrong = student.encode([["user", "Name a bird that can't fly."]], "The capital of France is Paris.")
    assert wrong is not None
    student.prepare([text, wrong])
    assert student.answers([text]) == ["The capital of France is Paris."]
    own, other = student.losses([text, wrong])
    assert own < 1 < other


def test_a_step_in_parts_teaches_what_the_whole_step_does(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = Student(place / "tiny")
    # Of different lengths, so that the parts have different sizes.
    encoded = [
        student.encode([["user", row["instruction"] * (1 + number % 3)]], row["output"])
        for number, row in enumerate(rows(3))
    ]
    texts = [text for text in encoded if text is not None]
    student.prepare(texts)
    untrained, losses = student.losses(texts), []
    for most in (1, 10**6):
        monkeypatch.setattr("selfinstruct.worth.student_model._TOKENS_PER_PART", most)
        student.train(texts * 3)
        losses.append(student.losses(texts))
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)
    assert abs(untrained - losses[0]).max() > 1e-2


def test_training_leaves_the_frozen_layers_alone_and_reset_brings_the_rest_back(place: Path) -> None:
    student = Student(place / "tiny")
    text = student.encode([["user", "Which color has the red car?"]], "The car is red.")
    assert text is not None
    student.prepare([text])
    before = {name: value.clone() for name, value in student._model.state_dict().items()}
    student.train([text] * 9)
    changed = {name for name, value in student._model.state_dict().items() if not value.equal(before[name])}
    assert changed
    assert all(name.startswith(("model.layers.1.", "model.norm.")) for name in changed)
    student.reset()
    assert all(value.equal(before[name]) for name, value in student._model.state_dict().items())


def test_held_out_tasks_that_an_arm_has_are_dropped_and_counted(place: Path) -> None:
    held_out = write(place / "seen.jsonl", rows(2) + rows(0)[:3])
    found = trial_in(place, "seen", held_out=held_out)
    assert found.held_out == len(rows(2))
    assert sum(found.dropped.values()) == 3


@pytest.mark.parametrize(
    ("student", "settings", "message"),
    [
        ("nothing", {}, "config.json"),
        ("tiny", {"seeds": 2}, "at least 3"),
        ("tiny", {"seeds": 9}, "students need at least"),
    ],
)
def test_what_can_not_be_tried_is_refused(place: Path, student: str, settings: dict[str, Any], message: str) -> None:
    (place / "nothing").mkdir(exist_ok=True)
    contents = {name: contents_of(place / f"{name}.jsonl") for name in ("a", "b")}
    with pytest.raises(UsageError, match=message):
        run_trial(contents, place / student, place / "refused", held_out=place / "held_out.jsonl", **settings)


def test_a_folder_without_a_trial_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no student trial"):
        read_trial(tmp_path)

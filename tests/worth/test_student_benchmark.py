"""benchmarks/student.py: two halves of a dataset, one of them changed in a known way, and what a trial says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_llama, tiny_tokenizer

from conftest import ROOT
from selfinstruct.worth.arms import contents_of

sys.path.insert(0, str(ROOT / "benchmarks"))
import student as benchmark

SEEDS = ROOT / "seeds" / "demo.jsonl"


def answers(rows: list[dict[str, object]]) -> list[str]:
    return [each["examples"][0]["answer"] for each in rows]  # type: ignore[index]


def test_answers_move_to_other_rows_and_none_is_lost() -> None:
    rows = contents_of(SEEDS)[:20]
    for share, wrong in ((0.0, 0), (0.3, 6), (1.0, 20)):
        found = benchmark.moved(rows, share, "seed")
        assert [each["instruction"] for each in found] == [each["instruction"] for each in rows]
        assert sorted(answers(found)) == sorted(answers(rows))
        assert sum(one != other for one, other in zip(answers(found), answers(rows), strict=True)) == wrong


def test_halves_have_no_row_in_common() -> None:
    one, other = benchmark.halves(contents_of(SEEDS), 10, "equal", 1).values()
    assert len(one) == len(other) == 10
    assert not {each["instruction"] for each in one} & {each["instruction"] for each in other}


@pytest.mark.trainer
@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs 'student': `make trainer`")
def test_the_benchmark_runs(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(answers(contents_of(SEEDS)))
    tokenizer.save_pretrained(tmp_path / "tiny")
    tiny_llama(tokenizer, eos_token_id=tokenizer.eos_token_id).save_pretrained(tmp_path / "tiny")
    command = [sys.executable, ROOT / "benchmarks" / "student.py", SEEDS, "--student", tmp_path / "tiny"]
    command += ["--folder", tmp_path / "trials", "--rows", "12", "--tasks", "12", "--trials", "1", "--only", "equal"]
    shown = subprocess.run([str(each) for each in command], check=True, capture_output=True, text=True, cwd=ROOT)
    assert "equal: silent in" in shown.stdout

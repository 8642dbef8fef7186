"""The benchmark of novelty runs, its corpora are what they are said to be, and its exact methods agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from selfinstruct.core.tokens import tokenize
from selfinstruct.novelty import Join

sys.path.insert(0, str(ROOT / "benchmarks"))
from corpora import make_corpus
from novelty import _agreement


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_a_corpus_is_always_the_same_and_has_its_share_of_near_duplicates(language: str) -> None:
    texts = make_corpus(language, 4000, near_share=0.3)
    assert texts == make_corpus(language, 4000, near_share=0.3)
    assert texts != make_corpus(language, 4000, near_share=0.3, seed=21)
    assert len(texts) == 4000
    assert not any("\n" in text for text in texts)
    assert 9 < sum(len(tokenize(text)) for text in texts) / len(texts) < 21
    join = Join()
    join.add(texts)
    assert 0.15 < 1 - join.run().admitted.mean() < 0.45


@pytest.mark.slow
def test_every_method_runs_over_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("".join(f"{text}\n" for text in make_corpus("mixed", 200)), encoding="utf-8")
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "novelty.py"),
        "--file",
        str(file),
        "--methods",
        "ours,fuzz,Alpaca",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "own.txt, 200 texts" in done.stdout
    assert "The exact methods admit the same sets." in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith(("ours", "rapidfuzz"))]
    assert len({line.split()[-1] for line in rows}) == 1
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"digest": "a"}, 0),
        ({"digest": "b"}, 1),
        ({"failed": "MemoryError"}, 1),
        ({"agrees": True}, 0),
        ({"agrees": False}, 1),
        ({"missing": "rensa"}, 0),
    ],
)
def test_exact_methods_that_differ_are_an_error(row: dict[str, Any], code: int) -> None:
    assert _agreement({"en": {5000: {"ours, 1 worker": {"digest": "a"}, "ours, 2 workers": row}}}) == code

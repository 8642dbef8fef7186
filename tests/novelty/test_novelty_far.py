"""What lies far outside of everyday sets must be exact, too, or be refused in one line."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from selfinstruct.core.errors import UsageError
from selfinstruct.novelty import NoveltyIndex
from selfinstruct.novelty.arrays import LONGEST_TEXT
from selfinstruct.novelty.brute import BruteEngine
from selfinstruct.novelty.online import OnlineEngine


def test_the_nearest_of_a_very_long_text() -> None:
    engines = BruteEngine(0.7), OnlineEngine(0.7)
    for engine in engines:
        engine.add([5])
    brute, compiled = (engine.find(list(range(600_000)), always=True) for engine in engines)
    assert compiled == brute


@pytest.mark.slow
@pytest.mark.parametrize("cutoff", [0.3, 0.7])
def test_prefixes_longer_than_a_mark_can_say(cutoff: float) -> None:
    draw = random.Random(7)
    engines = BruteEngine(cutoff), OnlineEngine(cutoff)
    texts = [draw.choices(range(40_000 if number % 2 else 300), k=draw.randrange(600, 1500)) for number in range(30)]
    for number in range(120):
        text = list(draw.choice(texts))
        for _ in range(draw.randrange(len(text) // 2)):
            text[draw.randrange(len(text))] = draw.randrange(40_000)
        brute, compiled = (engine.find(text, always=False) for engine in engines)
        assert compiled == brute
        if number % 3:
            for engine in engines:
                engine.add(text)


@pytest.mark.parametrize("cutoff", [1e-19, 5e-324])
def test_the_smallest_cutoffs(cutoff: float) -> None:
    engines = BruteEngine(cutoff), OnlineEngine(cutoff)
    for engine in engines:
        engine.add([1, 2, 3])
    brute, compiled = (engine.find([1, 8, 9], always=False) for engine in engines)
    assert compiled == brute


@pytest.mark.slow
def test_more_different_words_than_there_are_characters() -> None:
    assert NoveltyIndex().check(" ".join(map(str, range(0x110001)))).ok


def test_a_text_longer_than_a_posting_can_say() -> None:
    with pytest.raises(UsageError):
        OnlineEngine(0.7).add([0] * (LONGEST_TEXT + 1))


@pytest.mark.slow
def test_compiled_code_at_hand_is_never_that_of_another_rule(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "selfinstruct", tmp_path / "selfinstruct", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = "from selfinstruct.novelty.bounds import least_common; print(least_common(10, 10, 0.7))"

    def least() -> int:
        command = [sys.executable, "-c", code]
        return int(
            subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True).stdout
        )

    assert least() == 8
    rule = tmp_path / "selfinstruct" / "novelty" / "score.py"
    rule.write_text(rule.read_text().replace("return 2 * precision", "return 1 * precision"))
    assert least() > 10

"""`merge --approximate`: every pair that MinHash finds is a true one, and of the near ones it finds most."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_merge_pairs import CUTOFFS, EXAMPLES, adversarial, sharded
from typer.testing import CliRunner

from conftest import ROOT
from selfinstruct.cli import app
from selfinstruct.errors import UsageError
from selfinstruct.merge.bands import bands_of, check_installed, cut_by_bands
from selfinstruct.merge.blocks import Vocabulary, encode
from selfinstruct.merge.order import settle
from selfinstruct.merge.pairs import Pairs, find_pairs
from selfinstruct.text import tokenize


def by_bands(texts: Sequence[str], cutoff: float, shards: int, lot: int) -> list[Pairs]:
    vocabulary, blocks = Vocabulary(), []
    for start in range(0, len(texts), lot):
        block, words = encode(texts[start : start + lot])
        vocabulary.add(words)
        blocks.append(block)
    pieces = [
        cut_by_bands(block, ranks, number * lot, cutoff, shards)
        for number, (block, ranks) in enumerate(zip(blocks, vocabulary.ranks(), strict=True))
    ]
    return [find_pairs([lot[shard] for lot in pieces], cutoff) for shard in range(shards)]


def found_in(shards: Sequence[Pairs]) -> set[tuple[int, int, float]]:
    return {pair for s in shards for pair in zip(s.earlier.tolist(), s.later.tolist(), s.score.tolist(), strict=True)}


@pytest.mark.ray
@pytest.mark.skipif(importlib.util.find_spec("rensa") is None, reason="needs the extra 'approximate': `make ray`")
class TestBands:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(seed=st.integers(0, 10**9), cutoff=CUTOFFS, shards=st.integers(2, 9), lot=st.integers(1, 50))
    def test_what_is_found_is_true_and_the_same_however_it_is_cut(
        self, seed: int, cutoff: float, shards: int, lot: int
    ) -> None:
        texts = adversarial(random.Random(seed))
        found = by_bands(texts, cutoff, shards, lot)
        assert found_in(found) <= found_in(sharded(texts, cutoff, 2, 1000))
        assert found_in(found) == found_in(by_bands(texts, cutoff, 3, 17))

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(seed=st.integers(0, 10**9), cutoff=CUTOFFS)
    def test_texts_with_the_same_words_are_never_both_kept(self, seed: int, cutoff: float) -> None:
        texts = adversarial(random.Random(seed))
        joined = settle(len(texts), by_bands(texts, cutoff, 4, 20))
        kept = [tuple(tokenize(text)) for text, stays in zip(texts, joined.admitted.tolist(), strict=True) if stays]
        with_words = [words for words in kept if words]
        assert len(set(with_words)) == len(with_words) or cutoff == 1.0
        assert len(kept) - len(with_words) == sum(not tokenize(text) for text in texts)

    @pytest.mark.parametrize("cutoff", [0.5, 0.7, 0.9])
    def test_most_of_what_is_above_the_cutoff_is_found(self, cutoff: float) -> None:
        draw = random.Random(3)
        texts = [" ".join(f"w{draw.randrange(5000)}" for _ in range(draw.randint(6, 20))) for _ in range(1500)]
        for text in texts[:]:
            parts = text.split()
            for _ in range(draw.randint(1, 3)):
                parts[draw.randrange(len(parts))] = f"w{draw.randrange(5000)}"
            texts.append(" ".join(parts))
        exact = found_in(sharded(texts, cutoff, 2, 1000))
        assert len(exact) > 200
        assert 0.75 < len(found_in(by_bands(texts, cutoff, 4, 500))) / len(exact) < 1

    def test_the_benchmark_prints_a_row_for_each_cutoff(self) -> None:
        command = [sys.executable, str(ROOT / "benchmarks" / "approximate.py"), "--sizes", "2000", "--languages", "zh"]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=100)
        assert done.returncode == 0, done.stderr
        header, *rows = done.stdout.splitlines()
        assert header.endswith("refused: recall  precision")
        assert [row.split()[:3] for row in rows] == [["2,000", "zh", cutoff] for cutoff in ("0.5", "0.7", "0.9")]
        for row in rows:
            found, recall, precision = map(float, row.replace(",", "").split()[-3:])
            assert 0.6 < found <= 1
            assert 0.6 < recall <= 1
            assert 0.6 < precision <= 1

    @pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra 'ray': `make ray`")
    def test_the_command_looks_by_bands_and_the_card_says_so(self, tmp_path: Path) -> None:
        rows = [{"instruction": f"name {n % 40} things beginning with w{n % 40} and why"} for n in range(120)]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        arguments = ["merge", str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--engine", "ray", "--approximate"]
        done = CliRunner().invoke(app, [*arguments, "--threshold", "0.9"])
        assert done.exit_code == 0, done.output
        assert "admitted" in done.stdout
        card = (tmp_path / "out" / "README.md").read_text()
        assert "ROUGE-L F above 0.9, looked for by MinHash-LSH: some are missed" in card
        assert "| 120 | 40 |" in card


@pytest.mark.parametrize(("cutoff", "bands"), [(0.3, (64, 2)), (0.5, (42, 3)), (0.7, (25, 5)), (0.9, (11, 11))])
def test_bands_are_as_long_as_the_cutoff_allows(cutoff: float, bands: tuple[int, int]) -> None:
    count, length = bands_of(cutoff)
    assert (count, length) == bands
    assert count * length <= 128


def test_it_is_for_the_engine_on_ray(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"instruction": "a b"}\n')
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "in.jsonl"), str(tmp_path / "o"), "--approximate"])
    assert done.exit_code == 2
    assert done.stderr.startswith("selfinstruct: error: --approximate is for sets that one machine can't hold; add")


def test_without_the_library_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(UsageError, match=r"pip install 'selfinstruct\[approximate\]'"):
        check_installed()

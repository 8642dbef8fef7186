"""The page on novelty: its examples give what is printed there, and its figure shows the same example."""

from __future__ import annotations

import doctest
import itertools
import random
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import ROOT
from selfinstruct.novelty import NoveltyIndex
from selfinstruct.novelty.arrays import CLASSES, EXACT_LENGTHS, FREQUENT, GROUPS
from selfinstruct.novelty.index import SWITCH_AT

PAGE = (ROOT / "docs" / "inside" / "novelty.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the page's examples define, after all of them gave what is printed."""
    made: dict[str, Any] = {}
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, made, "docs/inside/novelty.md", None, None)
    said: list[str] = []
    results = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert results.failed == 0, "".join(said)
    assert results.attempted > 20
    return test.globs


def test_the_small_version_admits_the_same(names: dict[str, Any]) -> None:
    draw = random.Random(4)
    for words, cutoff in (("a b c d e".split(), 0.7), ([f"w{n}" for n in range(40)], 0.5)):
        texts = [" ".join(draw.choices(words, k=draw.randrange(10))) for _ in range(150)]
        index = NoveltyIndex(cutoff, nearest="refused")
        verdicts = index.check_batch([(str(number), text) for number, text in enumerate(texts)])
        kept = [number for number, verdict in enumerate(verdicts) if verdict.ok]
        assert names["admitted"](texts, cutoff) == kept
        assert 5 < len(kept) < 145


def test_the_figure_shows_the_example(names: dict[str, Any]) -> None:
    figure = ElementTree.parse(ROOT / "docs" / "inside" / "novelty.svg")
    texts = ["".join(node.itertext()) for node in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert names["candidate"] in texts
    lists = list(itertools.pairwise(texts))
    for token, numbers in (("funny", "none"), ("poem", "1"), ("short", "1"), ("sea", "1, 6")):
        assert (token, numbers) in lists
    assert "text 1: 1 left over" in texts
    assert "text 6: 9" in texts
    assert any("LCS 7" in text for text in texts)
    assert any("F = 0.933" in text for text in texts)


def test_the_constants_are_those_of_the_code() -> None:
    flat = " ".join(PAGE.split())
    assert f"occurs at least {FREQUENT:,} times" in flat
    assert f"one class a length below {EXACT_LENGTHS}, then eight an octave; {CLASSES} in all" in flat
    assert GROUPS == 4
    assert "(four groups)" in flat
    assert f"Up to {SWITCH_AT:,} texts" in flat

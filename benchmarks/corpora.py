"""Corpora for the benchmarks: instruction-like texts from the project's seeds, made the same on every machine.

    python benchmarks/corpora.py zh 52000 zh.txt [--near-share 0.25] [--seed 20]

A text is a wording of the grammar below with words drawn by Zipf's law (exponent 1) from a vocabulary that starts
with the seeds' own words, the most frequent first, and goes on with invented ones: 300 * sqrt(texts) words, Heaps'
law. Texts have about 11 tokens in the mean; `near_share` of them repeat an earlier one with one to three changes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from selfinstruct.core.tokens import tokenize

SEEDS = Path(__file__).parents[1] / "seeds"
LANGUAGES = ("en", "zh", "mixed")
_OPENERS = (
    "Write a|Explain how|Describe the|List five|Rewrite the following sentence so that|Compare|Summarize the|"
    "Give an example of|Classify the|Translate this into|Suggest ways to|Create a|What is the|How do you|Why does the|"
    "Identify the|Find the|Design a|Given a|Convert the"
).split("|")
_SMALL = "the a of to in and for with on that is by from an as at or it your this".split()
_OPENERS_ZH = (
    "写一篇 解释一下 描述 列出五个 改写下面的句子 比较 总结 举例说明 把下面的内容翻译成 请你设计 什么是 如何 为什么"
).split()
_SHORTEST, _LONGEST = 2, 60
_LENGTHS = [
    round(1e6 / n * math.exp(-(((math.log(n) - 1.87) / 0.42) ** 2) / 2)) for n in range(_SHORTEST, _LONGEST + 1)
]
"""How often a text has so many words after its opener: log-normal, in whole numbers."""


class Draw:
    """Random choices that rest on `random.random()` alone, the one draw that Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random

    def below(self, size: int) -> int:
        return int(self.share() * size)

    def one_of(self, things: Sequence[str]) -> str:
        return things[self.below(len(things))]

    def weighted(self, sums: Sequence[float]) -> int:
        """A place in `sums`, the running sums of the weights."""
        return min(bisect_right(sums, self.share() * sums[-1]), len(sums) - 1)


def make_corpus(language: str, size: int, near_share: float = 0.25, seed: int = 20) -> list[str]:
    """`size` texts in 'en', 'zh' or 'mixed' (one of each in turn)."""
    if language == "mixed":
        english = make_corpus("en", (size + 1) // 2, near_share, seed)
        chinese = make_corpus("zh", size // 2, near_share, seed)
        return [(chinese if number % 2 else english)[number // 2] for number in range(size)]
    draw = Draw(seed)
    words = _vocabulary(language, int(300 * size**0.5))
    odds = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    lengths = list(accumulate(_LENGTHS))
    texts: list[str] = []
    while len(texts) < size:
        if texts and draw.share() < near_share:
            texts.append(_changed(draw.one_of(texts), words, odds, language, draw))
        else:
            content = [words[draw.weighted(odds)] for _ in range(_SHORTEST + draw.weighted(lengths))]
            texts.append(_english(content, draw) if language == "en" else _chinese(content, draw))
    return texts


def _english(content: list[str], draw: Draw) -> str:
    words = [draw.one_of(_OPENERS)]
    for word in content:
        if draw.share() < 0.25:
            words.append(draw.one_of(_SMALL))
        words.append(word)
    return " ".join(words) + draw.one_of((".", ".", "?", ""))


def _chinese(content: list[str], draw: Draw) -> str:
    return draw.one_of(_OPENERS_ZH) + "".join(content) + draw.one_of(("。", "?", "!", ""))


def _changed(text: str, words: list[str], odds: list[float], language: str, draw: Draw) -> str:
    """`text` with one to three words replaced, put in, or taken out."""
    parts = text.split(" ") if language == "en" else list(text)
    for _ in range(1 + draw.below(3)):
        place, kind = draw.below(len(parts)), draw.share()
        word = words[draw.weighted(odds)]
        if kind < 0.5:
            parts[place] = word
        elif kind < 0.75 or len(parts) < 3:
            parts.insert(place, word)
        else:
            del parts[place]
    return (" " if language == "en" else "").join(parts)


def _vocabulary(language: str, size: int) -> list[str]:
    """The seeds' words, most frequent first, then invented ones up to `size`; in Chinese, pairs of characters."""
    counts: Counter[str] = Counter()
    with (SEEDS / f"{language}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            task = json.loads(line)
            for text in [task["instruction"], *(instance["output"] for instance in task["instances"])]:
                tokens = tokenize(text)
                if language == "en":
                    counts.update(tokens)
                else:
                    counts.update(a + b for a, b in pairwise(tokens) if not (a + b).isascii())
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    draw, known = Draw(7), set(words)
    while len(words) < size:
        word = "".join(_syllable(language, draw) for _ in range(2 + (draw.below(3) if language == "en" else 0)))
        if word not in known:
            known.add(word)
            words.append(word)
    return words[:size]


def _syllable(language: str, draw: Draw) -> str:
    if language == "en":
        return draw.one_of("bdfgklmnprstvz") + draw.one_of("aeiou")
    share = draw.share()
    return chr(0x4E00 + int(6500 * share * share * share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=LANGUAGES)
    parser.add_argument("size", type=int)
    parser.add_argument("output", type=Path, help="a text file, one text a line")
    parser.add_argument("--near-share", type=float, default=0.25, help="share of near-duplicates, 0.1 to 0.4")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    texts = make_corpus(options.language, options.size, options.near_share, options.seed)
    options.output.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


if __name__ == "__main__":
    main()

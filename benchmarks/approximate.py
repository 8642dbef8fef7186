"""What `merge --approximate` misses: its pairs and refused texts beside the exact ones, over the same corpus.

    python benchmarks/approximate.py [--sizes 100000] [--cutoffs 0.5,0.7,0.9] [--languages en,zh]

The steps of the engine on Ray, one after the other in this process, without Ray. Pairs: of those above the cutoff,
the share that is found. Refused: of the texts that the exact answer refuses the share that is refused, and of those
that are refused the share that the exact answer refuses. Seconds are of the CPU, for cutting and searching.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from corpora import make_corpus

from selfinstruct.merge.bands import bands_of, cut_by_bands
from selfinstruct.merge.blocks import Vocabulary, encode
from selfinstruct.merge.order import settle
from selfinstruct.merge.pairs import Pairs, find_pairs
from selfinstruct.merge.pieces import cut
from selfinstruct.novelty import Joined

LOT, SHARDS = 1 << 16, 8


def main() -> None:
    options = _options()
    print(
        f"{'texts':>12}{'':4}{'cutoff':>6}  {'bands':<8}{'exact s':>9}{'approx s':>9}{'pairs':>12}{'found':>8}", end=""
    )
    print("  refused: recall  precision")
    _decided(make_corpus("en", 5000), 0.7, False)  # compiling isn't counted
    for language in options.languages:
        for size in options.sizes:
            texts = make_corpus(language, size)
            for cutoff in options.cutoffs:
                _show(language, texts, cutoff)


def _show(language: str, texts: list[str], cutoff: float) -> None:
    exact_s, exact, pairs = _decided(texts, cutoff, False)
    approximate_s, approximate, found = _decided(texts, cutoff, True)
    refused, own = ~exact.admitted, ~approximate.admitted
    both = int((refused & own).sum())
    bands = "{} x {}".format(*bands_of(cutoff))
    print(f"{len(texts):>12,}  {language}{cutoff:>6g}  {bands:<8}{exact_s:>9.1f}{approximate_s:>9.1f}", end="")
    print(f"{pairs:>12,}{found / max(pairs, 1):>8.3f}{both / max(refused.sum(), 1):>17.3f}", end="")
    print(f"{both / max(own.sum(), 1):>11.3f}", flush=True)


def _decided(texts: list[str], cutoff: float, approximate: bool) -> tuple[float, Joined, int]:
    """CPU seconds, the answer, and the number of pairs that were found."""
    vocabulary, blocks = Vocabulary(), []
    for start in range(0, len(texts), LOT):
        block, words = encode(texts[start : start + LOT])
        vocabulary.add(words)
        blocks.append(block)
    started, step = time.process_time(), cut_by_bands if approximate else cut
    pieces = [
        step(block, ranks, number * LOT, cutoff, SHARDS)
        for number, (block, ranks) in enumerate(zip(blocks, vocabulary.ranks(), strict=True))
    ]
    found: list[Pairs] = [find_pairs([lot[shard] for lot in pieces], cutoff) for shard in range(SHARDS)]
    seconds = time.process_time() - started
    keys = [pairs.earlier * len(texts) + pairs.later for pairs in found]
    return seconds, settle(len(texts), found), len(np.unique(np.concatenate(keys)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[100_000])
    parser.add_argument("--cutoffs", type=lambda text: [float(n) for n in text.split(",")], default=[0.5, 0.7, 0.9])
    parser.add_argument("--languages", type=lambda text: text.split(","), default=["en", "zh"])
    return parser.parse_args()


if __name__ == "__main__":
    main()

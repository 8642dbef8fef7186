"""What `novelty.py` compares ours with. The published filters are written anew from their description.

Where a method is too slow for the whole set, some candidates are scored against a pool of half the final size, which
is the pool that a candidate meets in the mean; the result says so by `estimated`.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from novelty_methods import Job, Result, best_of, digest
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist
from rouge_score.rouge_scorer import RougeScorer, _score_lcs

from selfinstruct.core.tokens import tokenize
from selfinstruct.novelty import rouge_l
from selfinstruct.novelty.score import least_lcs

PROCESSES = 2
SLICE = 100
"""So many first texts go through the published filters one by one, and the decisions are held against ours."""
LARGEST_POOL = 20_000
"""Pools above are estimated from one of this size: each candidate meets all of it, so time grows with it."""
WHOLE = 60_000
"""Up to here brute force runs over the whole set."""
DATASKETCH_MOST = 250_000
PERMUTATIONS, BANDS = 125, 25
"""25 bands of 5: what datasketch chooses for a Jaccard similarity of 0.5. A pair at the cutoff has about 0.54."""


class OurTokens:
    """`rouge_score` drops what isn't ASCII, so for other corpora it is given our tokens."""

    def tokenize(self, text: str) -> list[str]:
        return tokenize(text)


class Alpaca:
    """Alpaca's: each text is tokenised once; every candidate is scored against all token lists by a new pool."""

    def __init__(self, scorer: RougeScorer) -> None:
        self._tokenizer = scorer._tokenizer
        self._pool: list[list[str]] = []

    def add(self, text: str) -> None:
        self._pool.append(self._tokenizer.tokenize(text))

    def scores(self, text: str) -> list[float]:
        score = partial(_score_lcs, self._tokenizer.tokenize(text))
        with _fork().Pool(PROCESSES) as processes:
            return [found.fmeasure for found in processes.map(score, self._pool)]


class SelfInstruct:
    """Self-Instruct's: the same over strings, so both texts of every pair are tokenised again."""

    def __init__(self, scorer: RougeScorer) -> None:
        self._scorer = scorer
        self._pool: list[str] = []

    def add(self, text: str) -> None:
        self._pool.append(text)

    def scores(self, text: str) -> list[float]:
        with _fork().Pool(PROCESSES) as processes:
            return [found["rougeL"].fmeasure for found in processes.map(partial(self._scorer.score, text), self._pool)]


def _fork() -> Any:
    return multiprocessing.get_context("spawn" if sys.platform == "win32" else "fork")


def alpaca(job: Job) -> Result:
    return _published(job, Alpaca)


def self_instruct(job: Job) -> Result:
    return _published(job, SelfInstruct)


def _published(job: Job, method: type[Alpaca] | type[SelfInstruct]) -> Result:
    scorer = RougeScorer(["rougeL"], use_stemmer=False, tokenizer=None if job.language == "en" else OurTokens())
    texts, exact = job.texts(), job.exact()
    small, decided = method(scorer), bytearray()
    for text in texts[:SLICE]:
        decided.append(max(small.scores(text), default=0.0) <= job.cutoff)
        if decided[-1]:
            small.add(text)
    half = max(sum(exact) // 2, 1)
    large, size = method(scorer), 0
    for text, admitted in zip(texts, exact, strict=True):
        if admitted and size < min(half, LARGEST_POOL):
            large.add(text)
            size += 1
    candidate_s = _each(lambda text: large.scores(text), texts, least=4, seconds=2) * half / size
    return {
        "seconds": candidate_s * len(texts),
        "estimated": True,
        "candidate_s": 2 * candidate_s,
        "agrees": bytes(decided) == exact[:SLICE],
    }


def _each(check: Callable[[str], object], texts: list[str], least: int, seconds: float) -> float:
    """Mean seconds of one check, over candidates from the whole set."""
    start, done = time.perf_counter(), 0
    while done < least or (time.perf_counter() - start < seconds and done < 50):
        check(texts[done * 7919 % len(texts)])
        done += 1
    return (time.perf_counter() - start) / done


class Blocks:
    """Brute force in C++: blocks of candidates against every pool text whose length can be above the cutoff."""

    SIZE = 1024

    def __init__(self, cutoff: float) -> None:
        self._cutoff = cutoff
        self._pool: dict[int, list[str]] = {}

    def add(self, text: str) -> None:
        self._pool.setdefault(len(text), []).append(text)

    def check(self, block: list[str]) -> list[bool]:
        """Which of the block are admitted, by the pool and by each other; they are not added."""
        admitted = np.ones(len(block), bool)
        for m in sorted(set(map(len, block))):
            group = [place for place, text in enumerate(block) if len(text) == m]
            others = [text for n, texts in self._pool.items() if self._least(m, n) <= min(m, n) for text in texts]
            if others:
                admitted[group] = ~self._above([block[place] for place in group], others).any(axis=1)
        pairs = self._above(block, block)
        for place in range(len(block)):
            admitted[place] &= not pairs[place, :place][admitted[:place]].any()
        flags: list[bool] = admitted.tolist()
        return flags

    def _least(self, m: int, n: int) -> int:
        return least_lcs(m, n, self._cutoff)

    def _above(self, texts: list[str], others: list[str]) -> npt.NDArray[np.bool_]:
        common = cdist(texts, others, scorer=LCSseq.similarity, dtype=np.int32, workers=PROCESSES)
        rows, columns = [len(text) for text in texts], [len(text) for text in others]
        least = {m: {n: self._least(m, n) for n in set(columns)} for m in set(rows)}
        needed = {m: np.array([by_length[n] for n in columns], np.int32) for m, by_length in least.items()}
        return np.stack([common[k] >= needed[m] for k, m in enumerate(rows)])


def rapidfuzz_blocks(job: Job) -> Result:
    texts = job.texts()
    if len(texts) > WHOLE:
        exact, blocks = job.exact(), Blocks(job.cutoff)
        half = sum(exact) // 2
        strings = _Strings()
        for text in [text for text, admitted in zip(texts, exact, strict=True) if admitted][:half]:
            blocks.add(strings.of(tokenize(text)))
        step = max(len(texts) // Blocks.SIZE, 1)
        block = [strings.of(tokenize(text)) for text in texts[::step][: Blocks.SIZE]]
        start = time.perf_counter()
        blocks.check(block)
        candidate_s = (time.perf_counter() - start) / len(block)
        return {"seconds": candidate_s * len(texts), "estimated": True, "candidate_s": 2 * candidate_s}

    def run() -> bytes:
        strings, blocks, flags = _Strings(), Blocks(job.cutoff), bytearray()
        for batch in job.batches():
            for start in range(0, len(batch), Blocks.SIZE):
                block = [strings.of(tokenize(text)) for text in batch[start : start + Blocks.SIZE]]
                for text, admitted in zip(block, blocks.check(block), strict=True):
                    flags.append(admitted)
                    if admitted:
                        blocks.add(text)
        return bytes(flags)

    seconds, peak_mb, flags = best_of(run)
    return {"seconds": seconds, "peak_mb": peak_mb, "digest": digest(flags)}


class _Strings:
    """Token lists as strings of one character a token."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, tokens: list[str]) -> str:
        known = self._known
        return "".join([known.setdefault(token, chr(len(known))) for token in tokens])


def datasketch_lsh(job: Job) -> Result:
    from datasketch import MinHash, MinHashLSH

    def hashes(batch: list[list[str]]) -> Iterable[Any]:
        return MinHash.generator(([token.encode() for token in text] for text in batch), num_perm=PERMUTATIONS, seed=1)

    if (size := len(job.exact())) > DATASKETCH_MOST:
        return {"left_out": f"{size:,} texts take it minutes and many GB"}
    return _lsh(job, hashes, lambda: MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS)))


def rensa_lsh(job: Job) -> Result:
    from rensa import RMinHash, RMinHashLSH

    def hashes(batch: list[list[str]]) -> Iterable[Any]:
        found: list[Any] = RMinHash.from_token_sets(batch, PERMUTATIONS, 1)
        return found

    return _lsh(job, hashes, lambda: RMinHashLSH(threshold=0.54, num_perm=PERMUTATIONS, num_bands=BANDS))


def _lsh(job: Job, hashes: Callable[[list[list[str]]], Iterable[Any]], new: Callable[[], Any]) -> Result:
    """Candidates from the index, decided by exact ROUGE-L; recall and precision of the refused set."""

    def run() -> bytes:
        lsh, strings, flags, pool = new(), _Strings(), bytearray(), {}
        for batch in job.batches():
            cut = [tokenize(text) for text in batch]
            for tokens, minhash in zip(cut, hashes(cut), strict=True):
                text = strings.of(tokens)
                admitted = not (text and any(_above(text, pool[other], job.cutoff) for other in lsh.query(minhash)))
                if admitted:
                    lsh.insert(len(flags), minhash)
                    pool[len(flags)] = text
                flags.append(admitted)
        return bytes(flags)

    seconds, peak_mb, flags = best_of(run)
    exact = job.exact()
    refused, truly = flags.count(0), exact.count(0)
    both = sum(not ours and not theirs for ours, theirs in zip(exact, flags, strict=True))
    return {
        "seconds": seconds,
        "peak_mb": peak_mb,
        "recall": both / truly if truly else 1.0,
        "precision": both / refused if refused else 1.0,
    }


def _above(one: str, other: str, cutoff: float) -> bool:
    return rouge_l(LCSseq.similarity(one, other), len(one), len(other)) > cutoff

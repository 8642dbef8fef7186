"""Re-check decisions of `deduplicate` with `rouge-score`, independently of the search: `dedup --verify N`."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import SelfInstructError
from ..core.tokens import is_ascii_lettered
from ..novelty import Joined
from ..novelty.reference import Reference
from ..novelty.score import refusal_cutoff
from .options import DedupOptions
from .passes import Passes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Decisions that `rouge-score` confirmed, each by comparing the row with the rows kept before it.

    Attributes:
        admitted: Kept rows among them.
        refused: Near-duplicates among them.
        difference: Greatest difference of a near-duplicate's score from the recorded one.
        highest: Highest score of a kept row to one kept before it.
        other_letters: Decisions about texts with letters outside ASCII. `rouge-score` drops these letters, so it
            was given this program's tokens.
    """

    admitted: int
    refused: int
    difference: float
    highest: float
    other_letters: int


def check_decisions(passes: Passes, joined: Joined, stay: npt.NDArray[np.bool_], options: DedupOptions) -> Confirmed:
    """Re-check `options.verify` random decisions, half of each kind if there are as many.

    `joined` and `stay` are as `Passes.write` returns them. Raises SelfInstructError for the first difference.
    """
    # Draw near-duplicates, then kept rows.
    kinds = ~joined.admitted[passes.first :], stay & passes.leads[passes.first :]
    left_out, kept = (np.flatnonzero(kind) + passes.first for kind in kinds)
    half = max(options.verify // 2, options.verify - len(kept))
    drawn = random.sample(left_out.tolist(), min(half, len(left_out)))
    drawn += random.sample(kept.tolist(), min(options.verify - len(drawn), len(kept)))
    rows = np.array(sorted(drawn), np.int64)
    # Find the nearest row kept before each.
    texts = [text for _, text in passes.texts(np.isin(np.arange(len(joined.admitted)), rows))]
    best, nearest = _find_nearest(rows, texts, passes.texts(joined.admitted & passes.leads))
    # Compare the decisions, and the scores of near-duplicates; both sides compute them by the same expression.
    refused = ~joined.admitted[rows]
    differences = np.where(refused, np.abs(best - joined.score[rows]), 0.0)
    wrong = (best > refusal_cutoff(options.threshold, options.refuse_equal)) != refused
    for sample in np.flatnonzero(wrong | (differences > 1e-9)).tolist():
        row, other = ("row {1} of {0}".format(*passes.place(int(each[sample]))) for each in (rows, nearest))
        ours = f"was left out with F {joined.score[rows[sample]]:.4f}" if refused[sample] else "was kept"
        theirs = f"finds F {best[sample]:.4f}, to {other}" if nearest[sample] >= 0 else "finds nothing similar"
        raise SelfInstructError(f"{row}: {ours}, but rouge-score {theirs}; nothing was written; please report this")
    return Confirmed(
        admitted=int((~refused).sum()),
        refused=int(refused.sum()),
        difference=float(differences.max(initial=0.0)),
        highest=float(best[~refused].max(initial=0.0)),
        other_letters=sum(not is_ascii_lettered(text) for text in texts),
    )


def _find_nearest(
    rows: npt.NDArray[np.int64], texts: Sequence[str], kept: Iterable[tuple[int, str]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return rouge-score's highest score of each row to a row kept before it, and the first row with that score."""
    reference = Reference()
    samples = [reference.tokens(text) for text in texts]
    lengths = np.array([len(tokens) for tokens in samples])
    # For each token, the samples that contain it, and how often.
    postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for sample, tokens in enumerate(samples):
        for token, times in Counter(tokens).items():
            postings[token].append((sample, times))
    best, nearest = np.zeros(len(rows)), np.full(len(rows), -1)
    for number, text in kept:
        tokens = reference.tokens(text)
        common = np.zeros(len(rows))
        for token, times in Counter(tokens).items():
            for sample, there in postings.get(token, ()):
                common[sample] += min(times, there)
        # F is at most 2 * common / (m + n), because the LCS has at most the common tokens: skip who can't be nearer.
        limits = 2 * common / np.maximum(lengths + len(tokens), 1) + 1e-9
        for sample in np.flatnonzero((rows > number) & (common > 0) & (limits > best)).tolist():
            score = reference.score(samples[sample], tokens)
            if score > best[sample]:
                best[sample], nearest[sample] = score, number
    return best, nearest

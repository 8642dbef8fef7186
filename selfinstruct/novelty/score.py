"""ROUGE-L F of a pair, and what it takes to be above a cutoff. Plain arithmetic; every engine rests on this file.

F = 2pr / (p + r) with p = LCS/m and r = LCS/n (Lin 2004, section 3.1, with beta = 1), in exactly the floating-point
expression of `rouge_score`. That matters *at* the cutoff: for 27 of the 54 length triples up to 64 tokens whose F
is exactly 7/10, this expression gives a float above 0.7 and the published filters refuse; for the others they keep.
So 'above' is always decided by this expression, never by a rounded fraction.
"""

from __future__ import annotations

import math


def rouge_l(lcs: int, m: int, n: int) -> float:
    """ROUGE-L F of two texts of `m` and `n` tokens whose longest common subsequence has `lcs` tokens; 0 without any.

    >>> rouge_l(7, 9, 11) > 0.7, rouge_l(7, 10, 10) > 0.7
    (True, False)
    """
    if lcs == 0:
        return 0.0
    precision, recall = lcs / m, lcs / n
    return 2 * precision * recall / (precision + recall)


def least_lcs(m: int, n: int, cutoff: float) -> int:
    """The least LCS for which F of texts of `m` and `n` tokens is above `cutoff`; above min(m, n) when none is.

    Started one below the rational estimate, cutoff * (m + n) / 2, and decided by `rouge_l` itself: one more
    common token changes F by 2 / (m + n), far more than the expression's rounding.
    """
    lcs = max(int(cutoff * (m + n) / 2) - 1, 1)
    while lcs <= min(m, n) and rouge_l(lcs, m, n) <= cutoff:
        lcs += 1
    return lcs


def refusal_cutoff(max_similarity: float, refuse_equal: bool) -> float:
    """The float that F must be above to be refused.

    refuse_equal: the paper's wording, 'added only when the similarity is less than 0.7'; the published codes
    keep what is equal. 'At least c' is 'above the float before c'.
    """
    return math.nextafter(max_similarity, -1.0) if refuse_equal else max_similarity

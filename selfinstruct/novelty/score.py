"""ROUGE-L F of a pair of texts, and the bounds that follow from it. Plain arithmetic; every engine relies on it.

F = 2pr / (p + r) with p = LCS/m and r = LCS/n (Lin 2004, section 3.1, with beta = 1), in the same floating-point
expression as `rouge_score`. The expression matters *at* the cutoff: of the 54 length triples up to 64 tokens whose F
is exactly 7/10, it gives a float above 0.7 for 27, which the published filters refuse; they keep the others. So
"above" is always decided by this expression, never by an exact fraction.
"""

from __future__ import annotations

import math


def rouge_l(lcs: int, m: int, n: int) -> float:
    """Return ROUGE-L F of texts of `m` and `n` tokens whose longest common subsequence has `lcs` tokens.

    >>> rouge_l(7, 9, 11) > 0.7, rouge_l(7, 10, 10) > 0.7
    (True, False)
    """
    if lcs == 0:
        return 0.0
    precision, recall = lcs / m, lcs / n
    return 2 * precision * recall / (precision + recall)


def least_lcs(m: int, n: int, cutoff: float) -> int:
    """Return the smallest LCS that puts texts of `m` and `n` tokens above `cutoff`; above min(m, n) if none does.

    The search starts one below the rational estimate, cutoff * (m + n) / 2, and `rouge_l` decides: one more common
    token changes F by 2 / (m + n), far more than the rounding error of the expression.
    """
    lcs = max(int(cutoff * (m + n) / 2) - 1, 1)
    while lcs <= min(m, n) and rouge_l(lcs, m, n) <= cutoff:
        lcs += 1
    return lcs


def refusal_cutoff(max_similarity: float, refuse_equal: bool) -> float:
    """Return the float that F must exceed for a refusal.

    With `refuse_equal` the rule is the paper's ("added only when the similarity is less than 0.7"); the published
    code keeps equality. "At least c" is the same as "above the largest float below c".
    """
    return math.nextafter(max_similarity, -1.0) if refuse_equal else max_similarity

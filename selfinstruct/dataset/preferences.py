"""Which of several answers is better: the rules of preference pairs, labels, and scores, and their options.

The rules of `pair_of` hold for every pair: `chosen` passed every check, `rejected` is a complete text that differs from
it, and everything that is known about the two says that `chosen` is better. When in doubt, there is no pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Annotated, Literal

from pydantic import Field

from ..core.choice import choose, difference, failed, net_wins, normalized
from ..core.records import Example, Response
from .rows import ChatOptions

LONGER_PERCENT = 55
"""`length_control` keeps the pairs whose chosen text is the longer one to this share."""

# A text that failed for one of these reasons is no answer to learn from, not even as a bad one: it isn't complete, it
# must not be in a dataset, or nothing is known about its quality.
_UNUSABLE = frozenset(
    "truncated cut_off empty_output ends_in_colon no_instance only_reasoning refusal content_filter scaffolding"
    " personal_data contaminated unjudged".split()
)


class PreferenceOptions(ChatOptions):
    """format `preference`."""

    kind: str = Field(default="preference", description="preference")
    margin: Annotated[float, Field(ge=0, le=4)] = Field(
        default=0.5, description="Least difference of the mean marks of chosen and rejected; a tie is never a pair."
    )
    rejected: Literal["lowest", "random", "mean-2sigma"] = Field(
        default="lowest",
        description="Of the answers that are worse than the chosen one by the margin: the worst, a random one, or the "
        "one nearest to the mean of all marks minus two standard deviations.",
    )
    failed_as_rejected: bool = Field(
        default=False, description="Whether an answer that a check rejected may be 'rejected', if it is complete."
    )
    length_control: bool = Field(
        default=False, description="Keep the pairs whose chosen answer is the longer one to at most 55%."
    )


class PreferenceFlatOptions(PreferenceOptions):
    """format `preference_flat`."""

    kind: str = Field(default="preference_flat", description="preference_flat")


class KtoOptions(ChatOptions):
    """format `kto`."""

    kind: str = Field(default="kto", description="kto")
    threshold: Annotated[float, Field(ge=1, le=5)] = Field(
        default=3.5, description="Least mean mark of an answer with the label true."
    )


@dataclass(frozen=True, slots=True)
class Preference:
    """Two responses to a prompt. longer: whether the chosen text has more characters."""

    chosen: Response
    rejected: Response

    @property
    def longer(self) -> bool:
        return len(self.chosen.text) > len(self.rejected.text)


def pair_of(example: Example, options: PreferenceOptions, draw: int, *, not_longer: bool = False) -> Preference | None:
    """Return the best response of an example and a worse one, or None.

    A response is worse if each of these says so, and at least one of them says anything:

    - the comparisons, if the example has any and the response passed its checks: the best one beats it in both orders;
    - the marks, if both have some: they differ by the margin, and by more than nothing;
    - the checks, if the response failed one and `failed_as_rejected` allows it, or a program found it wrong.

    Args:
        example: The prompt and its responses.
        options: Options of the format.
        draw: A random number that depends on the row; for `rejected: random`.
        not_longer: Whether the chosen text must not be the longer one.
    """
    order = usable(example)
    if not order or failed(order[0]):
        return None
    best, compared = order[0], _compared(example)
    worse = [each for each in order[1:] if _is_worse(each, best, compared, options)]
    if not_longer:
        worse = [each for each in worse if not Preference(best, each).longer]
    return Preference(best, _pick(worse, example, options, draw)) if worse else None


def usable(example: Example) -> list[Response]:
    """Return the usable responses, best first. Of those with the same text, only the best counts."""
    by_text: dict[str, Response] = {}
    for response in choose(example.responses).order:
        reasons = {verdict.reason for verdict in response.verdicts.values()}
        if response.text.strip() and not reasons & _UNUSABLE:
            by_text.setdefault(normalized(response.text), response)
    return list(by_text.values())


def _compared(example: Example) -> bool:
    return any(each.beats for each in example.responses)


def _is_worse(response: Response, best: Response, compared: bool, options: PreferenceOptions) -> bool:
    opinions = []
    # Only responses that passed are compared.
    if compared and response.passed:
        opinions.append(response.sample in best.beats)
    if best.mark is not None and response.mark is not None:
        lead = difference(best.mark, response.mark)
        opinions.append(lead > 0 and lead >= options.margin)
    if response.verified is False or (options.failed_as_rejected and not response.passed):
        opinions.append(True)
    return bool(opinions) and all(opinions)


def _pick(worse: Sequence[Response], example: Example, options: PreferenceOptions, draw: int) -> Response:
    """Return the response to reject. worse: best first, at least one."""
    if options.rejected == "random":
        return worse[draw % len(worse)]
    scores = scores_of(example)
    if options.rejected == "lowest" or len(scores) < 2:
        return worse[-1]
    # Xiao et al. 2025 (arXiv 2502.16825): the lowest of many samples is an outlier, from which a model learns less. Up
    # to five samples, the lowest one is the nearest: no sample is further from the mean than sqrt(n - 1) deviations.
    target = fmean(scores.values()) - 2 * pstdev(scores.values())
    distance = {each.sample: abs(scores[each.sample] - target) for each in worse if each.sample in scores}
    # A response that failed a check has no score, and comes last.
    return min(reversed(worse), key=lambda each: round(distance.get(each.sample, float("inf")), 6))


def scores_of(example: Example) -> dict[int, float]:
    """Return the score of each response that has one, by sample: its mean mark, or its net wins in comparisons."""
    wins = net_wins(example.responses) if _compared(example) else {}
    scores = {each.sample: each.mark for each in example.responses if each.mark is not None}
    return scores or {each.sample: float(wins[each.sample]) for each in example.responses if wins and each.passed}


def draw_of(random_seed: int, row_id: str) -> int:
    """Return a random number that depends on the seed and the row alone, so that a growing run keeps its pairs."""
    return int.from_bytes(hashlib.sha256(f"rejected:{random_seed}:{row_id}".encode()).digest()[:8], "big")


def control_length(pairs: Sequence[tuple[Preference, Preference | None]]) -> list[Preference | None]:
    """Keep the share of pairs with a longer chosen text to `LONGER_PERCENT`.

    First, replace pairs by their alternatives; then, if that isn't enough, drop pairs. Both begin at the end, so that
    the first pairs stay when a run grows.

    Args:
        pairs: Each pair, and one with the same chosen text that isn't longer, or None.

    Returns:
        The pair to use for each, or None.
    """
    kept: list[Preference | None] = [pair for pair, _ in pairs]
    longer = [place for place, (pair, _) in enumerate(pairs) if pair.longer]
    excess = len(longer) - LONGER_PERCENT * len(pairs) // 100
    replaced = [place for place in longer if pairs[place][1] is not None][-excess:] if excess > 0 else []
    for place in replaced:
        kept[place] = pairs[place][1]
    longer = sorted({*longer} - {*replaced})
    total = len(pairs)
    while 100 * len(longer) > LONGER_PERCENT * total:
        kept[longer.pop()] = None
        total -= 1
    return kept


def labels_of(example: Example, options: KtoOptions) -> list[tuple[Response, bool]]:
    """Return the responses of an example of which it is known whether they are good, in order, each text once.

    - A response that failed a check is bad, unless its text isn't complete.
    - Of the others, one with marks is good from the threshold on.
    - Without marks, one that beats another response and is beaten by none is good, and the reverse is bad.
    - Without comparisons, one that a check explicitly passed is good; nothing is known about the rest.

    If one text is good in one place and bad in another, it is left out.
    """
    labels: dict[str, set[bool]] = {}
    found: dict[str, tuple[Response, bool]] = {}
    for response in example.responses:
        label = label_of(response, example, options)
        if label is not None:
            text = normalized(response.text)
            labels.setdefault(text, set()).add(label)
            found.setdefault(text, (response, label))
    return [each for text, each in found.items() if len(labels[text]) == 1]


def label_of(response: Response, example: Example, options: KtoOptions) -> bool | None:
    reasons = {verdict.reason for verdict in response.verdicts.values()}
    if not response.text.strip() or reasons & _UNUSABLE:
        return None
    if failed(response):
        return False
    if response.mark is not None:
        return response.mark >= options.threshold
    if _compared(example):
        beaten = any(response.sample in each.beats for each in example.responses)
        return not beaten if beaten != bool(response.beats) else None
    return True if response.verdicts else None

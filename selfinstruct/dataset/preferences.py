"""Formats that say which of several answers is better: preference pairs, labeled answers, and scored answers.

The rules of `pair_of` hold for every pair: `chosen` passed every check, `rejected` is a complete text that differs from
it, and everything that is known about the two says that `chosen` is better. When in doubt, there is no pair.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import groupby
from statistics import fmean, pstdev
from typing import Annotated, Any, Literal

from pydantic import Field

from ..config.options import FormatOptions
from ..config.run_config import AnswersConfig, RunConfig
from ..core.choice import choose, difference, net_wins, normalized
from ..core.errors import ConfigError
from ..core.records import Example, Record, Response
from .provenance_columns import RowDict
from .rows import CHAT, Format, Selected, Wording, message, prompt_messages, prompt_text, row_id, select_examples

LONGER_PERCENT = 55
"""`length_control` keeps the pairs whose chosen text is the longer one to this share."""

# A text that failed for one of these reasons is no answer to learn from, not even as a bad one: it isn't complete, it
# must not be in a dataset, or nothing is known about its quality.
_UNUSABLE = frozenset(
    "truncated cut_off empty_output ends_in_colon no_instance only_reasoning refusal content_filter scaffolding"
    " personal_data contaminated unjudged".split()
)


class PreferenceOptions(FormatOptions):
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


class KtoOptions(FormatOptions):
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
    - the checks, if the response failed one and `failed_as_rejected` allows it.

    Args:
        example: The prompt and its responses.
        options: Options of the format.
        draw: A random number that depends on the row; for `rejected: random`.
        not_longer: Whether the chosen text must not be the longer one.
    """
    order = _usable(example)
    if not order or not order[0].passed:
        return None
    best, compared = order[0], _compared(example)
    worse = [each for each in order[1:] if _is_worse(each, best, compared, options)]
    if not_longer:
        worse = [each for each in worse if not Preference(best, each).longer]
    return Preference(best, _pick(worse, example, options, draw)) if worse else None


def _usable(example: Example) -> list[Response]:
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
    if options.failed_as_rejected and not response.passed:
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
        label = _label(response, example, options)
        if label is not None:
            text = normalized(response.text)
            labels.setdefault(text, set()).add(label)
            found.setdefault(text, (response, label))
    return [each for text, each in found.items() if len(labels[text]) == 1]


def _label(response: Response, example: Example, options: KtoOptions) -> bool | None:
    reasons = {verdict.reason for verdict in response.verdicts.values()}
    if not response.text.strip() or reasons & _UNUSABLE:
        return None
    if not response.passed:
        return False
    if response.mark is not None:
        return response.mark >= options.threshold
    if _compared(example):
        beaten = any(response.sample in each.beats for each in example.responses)
        return not beaten if beaten != bool(response.beats) else None
    return True if response.verdicts else None


# --- rows ----------------------------------------------------------------------------------------


def _select_pairs(records: Sequence[Record], wording: Wording) -> list[Selected]:
    options = PreferenceOptions.of(wording.options or "preference")
    found: list[Selected] = []
    pairs: list[tuple[Preference, Preference | None]] = []
    for each in select_examples(records, wording):
        draw = draw_of(wording.random_seed, each.id)
        if pair := pair_of(each.example, options, draw):
            found.append(each)
            other = pair_of(each.example, options, draw, not_longer=True) if options.length_control else None
            pairs.append((pair, other))
    kept = control_length(pairs) if options.length_control else [pair for pair, _ in pairs]
    chosen = ((each, pair) for each, pair in zip(found, kept, strict=True) if pair)
    return _sharing(_with_first(each, pair.chosen, pair.rejected) for each, pair in chosen)


def _select_labeled(records: Sequence[Record], wording: Wording) -> list[Selected]:
    options = KtoOptions.of(wording.options or "kto")
    rows = [
        _with_first(each, response)
        for each in select_examples(records, wording)
        for response, _ in labels_of(each.example, options)
    ]
    number: Counter[str] = Counter()
    for place, each in enumerate(rows):
        rows[place] = replace(each, id=row_id(each.record, number[each.record.id]))
        number[each.record.id] += 1
    return _sharing(_apart(rows))


def _apart(rows: Iterable[Selected]) -> list[Selected]:
    """Put the rows of a record apart: next comes the record with the most rows left, except for the last one used.

    Trainers pair each prompt with the answer of the row before, to estimate the KL term, so neighbors answer different
    prompts, unless one record has more than half of the rows. Each record begins with another of its answers.
    """
    groups = [list(group) for _, group in groupby(rows, key=lambda each: each.record.id)]
    heap = [(-len(group), place) for place, group in enumerate(groups)]
    heapify(heap)
    order: list[Selected] = []
    waiting: list[tuple[int, int]] = []  # the record that was used last, if it has rows left
    while heap or waiting:
        # If no other record is left, the rows of the last one are neighbors.
        left, place = heappop(heap) if heap else waiting.pop()
        for each in waiting:
            heappush(heap, each)
        order.append(groups[place][(place + left) % len(groups[place])])
        waiting = [(left + 1, place)] if left < -1 else []
    return order


def _select_scored(records: Sequence[Record], wording: Wording) -> list[Selected]:
    def scores(each: Selected) -> set[float]:
        return {score for _, score in _scored(each.example)}

    return _sharing(each for each in select_examples(records, wording) if len(scores(each)) > 1)


def _scored(example: Example) -> list[tuple[Response, float]]:
    """Return the usable responses with their scores, best first."""
    scores = scores_of(example)
    return [(each, scores[each.sample]) for each in _usable(example) if each.sample in scores]


def _with_first(selected: Selected, *first: Response) -> Selected:
    """Return what becomes a row, with these responses first."""
    example = selected.example
    rest = tuple(each for each in example.responses if each not in first)
    return replace(selected, example=replace(example, responses=first + rest))


def _sharing(selected: Iterable[Selected]) -> list[Selected]:
    """Share the cost of each record by its rows."""
    rows = list(selected)
    count = Counter(each.record.id for each in rows)
    return [replace(each, rows=count[each.record.id]) for each in rows]


def _preference(record: Record, example: Example, wording: Wording) -> RowDict:
    chosen, rejected = ([message("assistant", each.text)] for each in example.responses[:2])
    return {
        "prompt": prompt_messages(example, wording),
        "chosen": chosen,
        "rejected": rejected,
        **_marks(example, wording),
    }


def _preference_flat(record: Record, example: Example, wording: Wording) -> RowDict:
    texts = {name: each.text for name, each in zip(_PAIR, example.responses, strict=False)}
    return {"prompt": prompt_text(record, example, wording), **texts, **_marks(example, wording)}


def _marks(example: Example, wording: Wording) -> RowDict:
    chosen, rejected = (each.mark for each in example.responses[:2])
    return dict(zip(_mark_columns(wording), (chosen, rejected, difference(chosen, rejected)), strict=False))


def _mark_columns(wording: Wording) -> dict[str, Any]:
    # An answer that failed a check may have no marks, so these rows don't have the columns.
    failed = isinstance(wording.options, PreferenceOptions) and wording.options.failed_as_rejected
    marked = wording.marked and not failed
    return dict.fromkeys(("score_chosen", "score_rejected", "margin"), "float64") if marked else {}


def _kto(record: Record, example: Example, wording: Wording) -> RowDict:
    response = example.responses[0]
    label = _label(response, example, KtoOptions.of(wording.options or "kto"))
    completion = [message("assistant", response.text)]
    return {"prompt": prompt_messages(example, wording), "completion": completion, "label": label}


def _reward(record: Record, example: Example, wording: Wording) -> RowDict:
    responses, scores = zip(*_scored(example), strict=True)
    completions = [[message("assistant", each.text)] for each in responses]
    return {"prompt": prompt_messages(example, wording), "completions": completions, "scores": list(scores)}


def _is_longer(row: RowDict) -> bool:
    chosen, rejected = (row[name] if isinstance(row[name], str) else row[name][0]["content"] for name in _PAIR)
    return len(chosen) > len(rejected)


_PAIR = ("chosen", "rejected")
_LONGER = {"the chosen text is longer": _is_longer}

PREFERENCE_FORMATS = {
    "preference": Format(
        _preference,
        {"prompt": CHAT, "chosen": CHAT, "rejected": CHAT},
        more=_mark_columns,
        Options=PreferenceOptions,
        select=_select_pairs,
        shares=_LONGER,
    ),
    "preference_flat": Format(
        _preference_flat,
        {"prompt": "string", "chosen": "string", "rejected": "string"},
        more=_mark_columns,
        Options=PreferenceFlatOptions,
        select=_select_pairs,
        shares=_LONGER,
    ),
    "kto": Format(
        _kto,
        {"prompt": CHAT, "completion": CHAT, "label": "bool"},
        Options=KtoOptions,
        select=_select_labeled,
        shares={"the label is true": lambda row: bool(row["label"])},
    ),
    "reward": Format(_reward, {"prompt": CHAT, "completions": [CHAT], "scores": ["float64"]}, select=_select_scored),
}


def check_evidence(config: RunConfig, kind: str, options: FormatOptions) -> None:
    """Raise ConfigError if a format of this module would have no rows, or refusals as good answers."""
    if kind not in PREFERENCE_FORMATS:
        return
    where = f"dataset.formats: {kind}"
    if not config.filters.model_dump()["answer_refusal"]:  # a model of `filters`, which this package doesn't import
        raise ConfigError(f"{where} must not praise refusals; set filters.answer_refusal to true")
    # Your own strategy may return several responses, and your own check may decide.
    if config.strategy_kind not in ("alpaca", "self_instruct") or config.filters.custom:
        return
    answers, judge = config.answers or AnswersConfig(), config.judge
    by_checks = isinstance(options, PreferenceOptions) and options.failed_as_rejected
    # With `until: pass`, every answer but the last has failed: a check, or by its marks.
    failed = by_checks or (judge is not None and judge.min_score is not None)
    needed = {
        "samples: 4": answers.samples > 1,
        "until: all": answers.until == "all" or failed,
        "keep: all": answers.keep == "all",
    }
    missing = [key for key, given in needed.items() if not given]
    if missing and kind != "kto":
        reason = " (pass stops at the first good one)" if missing == ["until: all"] else ""
        raise ConfigError(f"{where} needs several answers to a prompt; set answers: {{{', '.join(missing)}}}{reason}")
    if judge is None and not by_checks:
        raise ConfigError(f"{where} needs to know which answer is better; set judge: {{}} or judge: {{compare: true}}")

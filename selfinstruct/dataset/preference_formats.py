"""The formats `preference`, `preference_flat`, `kto`, and `reward`: their rows, by the rules of `preferences`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import Any

from ..config.options import FormatOptions
from ..config.run_config import AnswersConfig, RunConfig
from ..core.choice import difference
from ..core.errors import ConfigError
from ..core.records import Example, Record, Response
from .preferences import (
    KtoOptions,
    Preference,
    PreferenceFlatOptions,
    PreferenceOptions,
    control_length,
    draw_of,
    label_of,
    labels_of,
    pair_of,
    scores_of,
    usable,
)
from .provenance_columns import RowDict
from .rows import (
    CHAT,
    ChatOptions,
    Format,
    Selected,
    Wording,
    answer_messages,
    answer_text,
    prompt_messages,
    prompt_text,
    row_id,
    select_examples,
    share_cost,
)


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
    return share_cost(_with_first(each, pair.chosen, pair.rejected) for each, pair in chosen)


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
    return share_cost(_apart(rows))


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

    return share_cost(each for each in select_examples(records, wording) if len(scores(each)) > 1)


def _scored(example: Example) -> list[tuple[Response, float]]:
    """Return the usable responses with their scores, best first."""
    scores = scores_of(example)
    return [(each, scores[each.sample]) for each in usable(example) if each.sample in scores]


def _with_first(selected: Selected, *first: Response) -> Selected:
    example = selected.example
    rest = tuple(each for each in example.responses if each not in first)
    return replace(selected, example=replace(example, responses=first + rest))


def _preference(record: Record, example: Example, wording: Wording) -> RowDict:
    chosen, rejected = (answer_messages(each, wording) for each in example.responses[:2])
    return {
        "prompt": prompt_messages(example, wording),
        "chosen": chosen,
        "rejected": rejected,
        **_marks(example, wording),
    }


def _preference_flat(record: Record, example: Example, wording: Wording) -> RowDict:
    texts = {name: answer_text(each, wording) for name, each in zip(_PAIR, example.responses, strict=False)}
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
    label = label_of(response, example, KtoOptions.of(wording.options or "kto"))
    completion = answer_messages(response, wording)
    return {"prompt": prompt_messages(example, wording), "completion": completion, "label": label}


def _reward(record: Record, example: Example, wording: Wording) -> RowDict:
    responses, scores = zip(*_scored(example), strict=True)
    completions = [answer_messages(each, wording) for each in responses]
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
    "reward": Format(
        _reward,
        {"prompt": CHAT, "completions": [CHAT], "scores": ["float64"]},
        Options=ChatOptions,
        select=_select_scored,
    ),
}


def check_evidence(config: RunConfig, kind: str, options: FormatOptions) -> None:
    """Raise ConfigError if a format of this module would have no rows, or refusals as good answers."""
    if kind not in PREFERENCE_FORMATS:
        return
    where = f"dataset.formats: {kind}"
    filters = config.filters.model_dump()  # a model of `filters`, which this package doesn't import
    if not filters["answer_refusal"]:
        raise ConfigError(f"{where} must not praise refusals; set filters.answer_refusal to true")
    # Your own strategy may return several responses, and your own check may decide.
    if ":" in config.strategy_kind or config.filters.custom:
        return
    answers, judge = config.answers or AnswersConfig(), config.judge
    by_program = config.has_ground_truths and bool(filters["wrong_answer"]) and kind != "reward"
    by_checks = by_program or (isinstance(options, PreferenceOptions) and options.failed_as_rejected)
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

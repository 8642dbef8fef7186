"""What is measured of a dataset without reading it; the command `worth` and its page show the lines of `LINES`."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ..core.counted import counted, dollars
from ..core.event_loop import run_to_end
from ..core.records import Example, Response
from ..core.tasks import Candidate
from ..core.tokens import tokenize
from ..dataset.card_figures import verified
from ..dataset.linguistics import Finder, finder_for, suited
from ..filters.unusable import Unusable
from ..journal.folder import JOURNAL
from ..journal.snapshot import read
from ..novelty import NoveltyIndex
from ..report.page.measure import moments
from .arms import Arm

SAMPLE = 1000
"""Maximum number of tasks to compare with each other: half a million pairs, about 2 seconds."""
LONGEST_NGRAM = 4
_NOBODY: Any = None
"""Rules ask no teacher."""
_Form = Callable[[float], str]
_COUNT, _NUMBER, _SCORE, _SHARE = "{:,.0f}".format, "{:,.1f}".format, "{:.3f}".format, "{:.1%}".format
# The key of a value, its name, and how to write it. Values for each row bear what rejected tasks cost, too.
LINES: dict[str, tuple[tuple[str, str, _Form], ...]] = {
    "yield": (
        ("rows", "rows", _COUNT),
        ("tasks_per_question", "new tasks per question", _NUMBER),
        ("acceptance", "admitted share of proposed", _SHARE),
        ("refused_by_filters", "refused by filters", _COUNT),
        ("refused_by_novelty", "refused by novelty", _COUNT),
        ("refused_instances", "refused instances", _COUNT),
    ),
    "checks": (
        ("checked", "checked by a program", _COUNT),
        ("checked_right", "  of these right", _COUNT),
        ("hit_by_rules", "hit by rules", _SHARE),
    ),
    "cost": (
        ("requests", "requests", _COUNT),
        ("prompt_tokens_per_row", "prompt tokens per row", _COUNT),
        ("tokens_per_row", "generated tokens per row", _COUNT),
        ("seconds_per_row", "seconds per row", _NUMBER),
        ("cost_usd", "dollars", dollars),
        ("cost_per_row_usd", "dollars per 1,000 rows", lambda value: dollars(1000 * value)),
    ),
    "diversity": (
        ("distinct_pairs", "distinct verb-noun pairs", _COUNT),
        ("self_rouge", "self-ROUGE-L, all pairs", _SCORE),
        ("self_rouge_nearest", "self-ROUGE-L, nearest task", _SCORE),
        ("nearest_half", "  of half of the tasks, at least", _SCORE),
        ("nearest_tenth", "  of one in ten, at least", _SCORE),
        ("ngram_diversity", f"n-gram diversity, n = 1 to {LONGEST_NGRAM}", _SCORE),
        ("distinct_words", "distinct words", _SHARE),
    ),
    "lengths": (
        ("median_task_tokens", "task, median tokens", "{:g}".format),
        ("median_answer_tokens", "answer, median tokens", "{:g}".format),
    ),
}
FORMS = {key: form for lines in LINES.values() for key, _, form in lines}


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a dataset; none of it says that an answer is right, but `checked_right`.

    Attributes:
        values: By the keys of `LINES`; None for what isn't known, such as the cost of a dataset that is no run.
        rows: The number of rows with a task and an answer.
        task_tokens, answer_tokens: The 25th, 50th, and 75th percentile of lengths, in tokens of ROUGE.
        nearest: The same percentiles of ROUGE-L F to the most similar other task; empty for fewer than two tasks.
        sampled: The number of tasks whose diversity is measured, the same for all datasets.
        verbs_found_by: What found the verbs and nouns.
    """

    values: Mapping[str, float | None]
    rows: int
    task_tokens: Sequence[float]
    answer_tokens: Sequence[float]
    nearest: Sequence[float]
    sampled: int
    verbs_found_by: str


def measure(arms: Sequence[Arm]) -> dict[str, Measures]:
    """Measure datasets, by their names; the diversity of each in a sample of the same size."""
    sampled = min(SAMPLE, *(len(arm.contents) for arm in arms))
    return {arm.name: _measure(arm, sampled) for arm in arms}


def lines_of(measures: Mapping[str, Measures]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Return (group, [(name, cells)]) of the lines in which some dataset has a value, with a cell for each dataset."""
    found = []
    for group, lines in LINES.items():
        rows = []
        for key, name, form in lines:
            values = [each.values[key] for each in measures.values()]
            if any(value is not None for value in values):
                rows.append((name, ["-" if value is None else form(value) for value in values]))
        sampled = next(iter(measures.values())).sampled
        sample = (
            f", of a sample of {counted(sampled, 'task')}{' each' * (len(measures) > 1)}"
            if group == "diversity"
            else ""
        )
        found += [(group + sample, rows)] if rows else []
    return found


def found_by(measures: Mapping[str, Measures]) -> str:
    """Say what found the verbs and nouns."""
    return "; ".join(dict.fromkeys(each.verbs_found_by for each in measures.values()))


def _measure(arm: Arm, sampled: int) -> Measures:
    tasks = [str(each["instruction"]) for each in arm.contents]
    answers = [str(each["examples"][0]["answer"]) for each in arm.contents]
    lengths = [_percentiles([len(tokenize(text)) for text in texts], 25, 50, 75) for texts in (tasks, answers)]
    finder = suited(finder_for(), arm.language)
    values: dict[str, float | None] = dict.fromkeys(FORMS)
    values |= {
        "rows": len(tasks),
        "hit_by_rules": run_to_end(_hit_by_rules(zip(tasks, answers, strict=True))) / len(tasks),
        "median_task_tokens": lengths[0][1],
        "median_answer_tokens": lengths[1][1],
    }
    drawn = draw_texts(tasks, sampled)
    to_all, nearest = self_rouge(drawn)
    values |= diversity_of(drawn, finder) | {"self_rouge": to_all}
    if nearest:
        half, tenth = _percentiles(nearest, 50, 90)
        values |= {"self_rouge_nearest": fmean(nearest), "nearest_half": half, "nearest_tenth": tenth}
    values |= _values_of_run(arm) if (Path(arm.source) / JOURNAL).is_file() else {}
    quartiles = _percentiles(nearest, 25, 50, 75) if nearest else []
    return Measures(values, len(tasks), lengths[0], lengths[1], quartiles, sampled, finder.name)


def _values_of_run(arm: Arm) -> dict[str, float | None]:
    """Return what only a run has. Some records may come from inherited answers, which cost nothing here."""
    with read(arm.source) as snapshot:
        status, yields, counted = snapshot.status, snapshot.yields(), verified(snapshot)
        worked = moments(snapshot.arrivals(), {})
        refused = Counter[str]()
        for stage, _, count in snapshot.rejections():
            refused[stage] += count
    per_row = arm.generated / max(1, status.records_asked)
    checked = sum(each.answers for each in counted)
    return {
        "tasks_per_question": sum(admitted for _, admitted in yields.values()) / len(yields) if yields else None,
        "acceptance": status.acceptance,
        "refused_by_filters": refused["filter"],
        "refused_by_novelty": refused["novelty"],
        "refused_instances": refused["instance"],
        "checked": checked or None,
        "checked_right": sum(each.right for each in counted) if checked else None,
        "requests": status.requests,
        "prompt_tokens_per_row": status.prompt_tokens * per_row,
        "tokens_per_row": status.completion_tokens * per_row,
        "seconds_per_row": worked[-1].seconds * per_row if worked else None,
        "cost_usd": status.cost_usd,
        "cost_per_row_usd": None if status.cost_usd is None else status.cost_usd * per_row,
    }


async def _hit_by_rules(texts: Iterable[tuple[str, str]]) -> int:
    """Count the rows that a rule against what small models write hits."""
    rules, hits = Unusable("en"), 0
    for asked, answer in texts:
        instruction, _, given = asked.partition("\n\n")
        candidate = Candidate(instruction, given)
        example = Example.of(instruction, given, Response(answer))
        verdict = rules.check(candidate)
        hits += not (verdict.ok and (await rules.check_answer(candidate, example, _NOBODY)).ok)
    return hits


def draw_texts(texts: Sequence[str], most: int) -> list[str]:
    """Return at most `most` of the texts, drawn with a fixed seed."""
    return list(texts) if len(texts) <= most else random.Random("diversity").sample(texts, most)


def diversity_of(texts: Sequence[str], finder: Finder) -> dict[str, float | None]:
    """Measure the diversity of texts, by the keys of `LINES`.

    `ngram_diversity` is the sum over n of the share of n-grams that are distinct, up to
    4; `distinct_words` is that share for n = 1. `distinct_pairs` is None in a language that the finder doesn't know.
    """
    tokens = [tokenize(text) for text in texts]
    shares = []
    for n in range(1, LONGEST_NGRAM + 1):
        ngrams = [tuple(words[at : at + n]) for words in tokens for at in range(len(words) - n + 1)]
        shares.append(len(set(ngrams)) / len(ngrams) if ngrams else 0.0)
    pairs = {pair for pair in finder.find(texts) if pair.noun is not None}
    return {
        "distinct_pairs": None if finder.most == 0 else len(pairs),
        "ngram_diversity": math.fsum(shares),
        "distinct_words": shares[0],
    }


def self_rouge(texts: Sequence[str]) -> tuple[float | None, list[float]]:
    """Return the mean ROUGE-L F over all pairs, and of each text to the nearest other one; (None, []) for one text."""
    if len(texts) < 2:
        return None, []
    index = NoveltyIndex(1.0)
    for number, text in enumerate(texts):
        index.admit(str(number), text)
    means, nearest = [], []
    for number, text in enumerate(texts):
        similar = index.most_similar(text, 2)
        # The index contains the text itself, with F = 1, or 0 without tokens.
        itself = 1.0 if tokenize(text) else 0.0
        means.append((similar.mean * len(texts) - itself) / (len(texts) - 1))
        nearest.append(next(other.score for other in similar.neighbours if other.id != str(number)))
    return fmean(means), nearest


def _percentiles(values: Sequence[float], *which: int) -> list[float]:
    found: list[float] = np.percentile(values, which).tolist()
    return found

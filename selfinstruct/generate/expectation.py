"""What `selfinstruct check` shows: what a run will ask and cost, and what looks wrong. Sends nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from ..config.facets_section import FacetsConfig
from ..config.options import teachers_for
from ..config.run_config import RunConfig
from ..core.counted import counted, dollars
from ..filters import AnswerCheck, Filter, describe_filters
from ..journal.folder import Run, foresee_start, has_journal
from ..journal.snapshot import read
from ..strategies.protocol import joint_units_of, questions_about
from ..teachers.egress import in_clear
from .assembly import Assembly, assemble
from .estimate import Estimate, PurposeEstimate, estimate

_MOST_VALUES = 12
"""Values of a facet that are listed."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a start of a configuration is expected to do.

    rows: for people, name to value. estimate: requests and tokens of this start. cost_usd: in dollars, of the whole
    run where every start adds records; None where a price is unknown. notes: warnings, one line each.
    """

    rows: Mapping[str, str]
    estimate: Estimate
    cost_usd: float | None
    notes: tuple[str, ...]


def check(
    config: RunConfig,
    *,
    teacher: Any = None,
    strategy: Any = None,
    filters: Sequence[Filter | AnswerCheck] | None = None,
) -> Expectation:
    """Validate `config` and its seeds, and estimate what the run will ask and cost. Sends nothing.

    The objects are those that `run` accepts. What develops a task is counted in a rehearsal with the fake teacher.
    Raises ConfigError, SeedError, or UsageError: what `run` would raise before its first request.
    """
    # Everything that can fail, fails here, before anything is estimated.
    parts = assemble(config, teacher=teacher, strategy=strategy, filters=filters)
    config = parts.config
    folder = Path(config.run_dir)
    past = Run(folder).status() if has_journal(folder) else None
    aim, changed = foresee_start(config, parts.inputs)

    # A target of +500 counts from what is there; a plain target from the records that would be kept.
    there = 0 if past is None else past.records if aim.more is not None else past.records_free
    expected = estimate(parts, past, records=aim.target - there)
    usage, cost_usd = expected.usage, expected.cost_usd
    rows = {
        **_inputs(parts, changed),
        "strategy": f"{parts.strategy.name}, prompts {parts.strategy.digest}",
        **_facets(config.facets if past is None else _known_facets(folder, config.facets)),
        **({"teacher": f"{', '.join(parts.own)} (passed in)"} if parts.own else _teachers(config)),
        **{
            f"embeddings {each.label}": f"{each.kind}: {each.model}"
            for each in config.all_models
            if each.roles == ("embed",)
        },
        **describe_filters(config, parts.sets, parts.checks),
        "run": f"{folder}" + (f" (has {counted(past.records, 'record')})" if past else " (new)"),
        "target": aim.words,
        "expected requests": f"{expected.requests:,}"
        + (f" for {counted(aim.target - there, 'record')}" if there else ""),
        "expected tokens": f"{usage.prompt_tokens:,} in prompts, {usage.completion_tokens:,} generated",
        "expected cost": dollars(cost_usd) + (f" ({expected.price_source})" if cost_usd is not None else ""),
        **{f"  for {share.purpose}": _share(share) for share in expected.shares},
        **_judge(config),
        "caps": _caps(config),
        "assumed": expected.basis,
    }
    # Caps hold for the whole run, so what earlier starts spent counts.
    if aim.more is not None and past is not None and past.cost_usd is not None and cost_usd is not None:
        cost_usd += past.cost_usd
    return Expectation(rows, expected, cost_usd, _notes(parts, cost_usd))


def clear_text_warnings(config: RunConfig) -> list[str]:
    """Return a line for each teacher that would receive prompts and key over plain HTTP."""
    return [
        f"warning: {host} is asked over http: prompts and key can be read on their way; use https, or a tunnel"
        for host in in_clear(config)
    ]


def _notes(parts: Assembly, cost_usd: float | None) -> tuple[str, ...]:
    config = parts.config
    notes = [f"warning: {line}" for line in [*parts.seed_warnings, *parts.language_warnings]]
    if strong := getattr(parts.strategy, "for_strong_teachers", False):
        named = strong if isinstance(strong, str) else f"strategy {parts.strategy.name}"
        small = [each.label for each in teachers_for("propose", config.all_teachers) if each.runs_model]
        notes += [
            f"warning: {named} is for strong teachers, and {name} is a small one: few of its tasks will be good; do "
            "without, or read a sample first"
            for name in small
        ]
    if config.concurrency > config.lookahead:
        notes.append(f"note: concurrency {config.concurrency} is above lookahead {config.lookahead}; raise lookahead")
    if cost_usd is not None and config.max_cost_usd is not None and cost_usd > config.max_cost_usd:
        notes.append(
            f"note: max_cost_usd, {dollars(config.max_cost_usd)}, is below the expected cost; the run will end early"
        )
    for each in config.all_models:
        if each.missing_key is not None and not (parts.own and each in config.all_teachers):
            notes.append(f"note: ${each.missing_key} is not set; `generate` needs the key in it")
    return tuple(dict.fromkeys([*notes, *clear_text_warnings(config)]))


def _inputs(parts: Assembly, changed: str) -> dict[str, str]:
    """What questions are made from, and how that differs from the run's. changed: '; 3 new seeds: ...'."""
    rows, kinds = {}, sum(bool(seed.is_classification) for seed in parts.seeds)
    if parts.seeds:
        rows["seeds"] = f"{counted(len(parts.seeds), 'task')}, {kinds:,} of them classifications"
    if parts.passages:
        documents = len({each.document for each in parts.passages})
        rows["documents"] = f"{counted(documents, 'document')}, {counted(len(parts.passages), 'passage')}"
    last = next(reversed(rows), None)
    return rows | ({last: rows[last] + changed} if last else {}) | _about_passages(parts)


def _about_passages(parts: Assembly) -> dict[str, str]:
    """How many questions the passages support, and why some of them support none."""
    asked = [questions_about(parts.strategy, passage) for passage in parts.passages]
    if not asked:
        return {}
    reasons = Counter(reason for count, reason in asked if not count)
    none = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    some = f"; {counted(sum(reasons.values()), 'passage')} without one: {none}" if reasons else ""
    joint = len(joint_units_of(parts.strategy, parts.passages))
    return {"questions": f"{sum(count for count, _ in asked) + joint:,} at most{some}"}


def _known_facets(folder: Path, facets: FacetsConfig | None) -> FacetsConfig | None:
    """Return the facets with the values that a teacher has listed in a run."""
    with read(folder) as snapshot:
        known = snapshot.facets
    if facets is None or known is None:
        return facets
    return facets.with_values({name: list(known.values[name]) for name in facets.grown if name in known.values})


def _facets(facets: FacetsConfig | None) -> dict[str, str]:
    """One row for all facets, and one for each with its values."""
    if facets is None:
        return {}
    dimensions, excluded = facets.dimensions, len(facets.exclude)
    cells = math.prod(len(each.cells) for each in dimensions)
    rows = {"facets": counted(cells, "combination") + (f", {counted(excluded, 'exclusion')}" if excluded else "")}
    for name, shares in ((name, each.shares(name)) for each in dimensions for name in each.names):
        shown = [
            f"{shorten(value, 40, placeholder=' …')} {share:.1%}"
            for value, share in list(shares.items())[:_MOST_VALUES]
        ]
        more = f" and {len(shares) - _MOST_VALUES:,} more" if len(shares) > _MOST_VALUES else ""
        rows[f"  {name}"] = ", ".join(shown) + more
    rows |= {f"  {name}": f"{count} values, which a teacher will list" for name, count in facets.grown.items()}
    return rows | {f"  {name}": "the headings of the documents" for name in facets.from_headings}


def _teachers(config: RunConfig) -> dict[str, str]:
    """One row for the only teacher, or one for each with its roles and weight."""
    if config.teachers is None:
        return {"teacher": f"{config.teacher.kind}: {config.teacher.model}"}
    rows = {}
    for each in config.teachers:
        roles = ", ".join(each.roles or ["all roles"])
        rows[f"teacher {each.label}"] = f"{each.kind}: {each.model}, {roles}, weight {each.weight:g}"
    return rows


def _judge(config: RunConfig) -> dict[str, str]:
    """One row for the judge: its teachers, and the threshold; none without a judge."""
    if config.judge is None:
        return {}
    names = ", ".join(each.label for each in teachers_for("judge", config.all_teachers))
    least = config.judge.min_score
    kept = "all kept" if least is None else f"kept from {least:g}"
    return {"judge": f"{names}, " + ("compares answers in both orders" if config.judge.compare else kept)}


def _share(share: PurposeEstimate) -> str:
    usage, cost = share.usage, "" if share.cost_usd is None else f", {dollars(share.cost_usd)}"
    return f"{counted(share.requests, 'request')}, {usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens{cost}"


def _caps(config: RunConfig) -> str:
    """Return the caps of a configuration in words."""
    caps = [
        dollars(config.max_cost_usd) if config.max_cost_usd is not None else "",
        counted(config.max_requests, "request") if config.max_requests is not None else "",
        f"{config.max_tokens:,} tokens" if config.max_tokens is not None else "",
    ]
    return ", ".join(cap for cap in caps if cap) or "none"

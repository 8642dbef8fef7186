"""What a command can find wrong, or see coming, before anything is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .console import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config.run_config import RunConfig
    from ..core.tasks import SeedTask
    from ..generate.estimate import Share


def check_names(config: RunConfig) -> None:
    """Find a wrong name or price before anything is asked."""
    from ..ask.budget import Budget, price_of
    from ..config.plugins import load_named
    from ..dataset.formats import check_format, wording_of
    from ..filters import build_checks
    from ..journal.journal import Totals
    from ..teachers import TEACHERS, asking_for
    from ..teachers.counting import bound_of
    from ..teachers.egress import check_teachers

    for name in config.dataset.formats:
        check_format(name)
    wording_of(config)
    for each in config.all_teachers:
        load_named(each.kind, TEACHERS, "teacher.kind")
        bound_of(each)
    asking_for(config)
    check_teachers(config)
    build_checks(config)
    Budget(config, {each.label: price_of(each) for each in config.all_teachers}, Totals())


def only_filters(source: RunConfig, config: RunConfig) -> None:
    """Refuse a refilter that would claim other answers than the run has."""
    from ..config.run_config import may_change
    from ..config.sections import MayChange

    before, after = source.meaning("", ""), config.meaning("", "")
    changed = [key for key in after if before.get(key) != after[key]]
    other = [key for key in changed if may_change(key) is not MayChange.WITH_A_REFILTER]
    if other:
        raise UsageError(
            f"refilter: {', '.join(other)} can't be changed here, the answers were asked with it; "
            "`selfinstruct generate --fork NEW_DIR` goes on with other settings"
        )


def warn_in_clear(config: RunConfig) -> None:
    """Say so where prompts and key would be readable on their way."""
    from ..teachers.egress import in_clear

    for host in in_clear(config):
        say(f"warning: {host} is asked over http: prompts and key can be read on their way; use https, or a tunnel")


def foresee(config: RunConfig, cost_usd: float | None) -> None:
    """What `check` can see coming, a line each."""
    if config.concurrency > config.lookahead:
        say(f"note: concurrency {config.concurrency} is above lookahead {config.lookahead}; raise lookahead")
    if cost_usd is not None and config.max_cost_usd is not None and cost_usd > config.max_cost_usd:
        say(f"note: max_cost_usd {config.max_cost_usd:g} is below the expected cost; the run will end early")
    for each in config.all_teachers:
        variable = each.api_key_env
        if each.kind == "openai" and each.base_url is None and variable and not os.environ.get(variable):
            say(f"note: ${variable} is not set; `generate` needs the key in it")


def warn_personal(seeds: Sequence[SeedTask], config: RunConfig) -> None:
    """Say which seeds hold personal data or secrets, and never which."""
    from ..filters import warnings_about

    for line in warnings_about(seeds, config.language):
        say(f"warning: {line}")


def expectations(config: RunConfig) -> tuple[dict[str, str], float | None]:
    """What the run will ask and cost, as `check` tells it, and that cost in dollars, None when it isn't known."""
    from ..filters import told
    from ..filters.evaluation_sets import load_sets
    from ..generate.estimate import estimate
    from ..journal.folder import Run, foresee_start, has_journal
    from ..seeds.load import load_seeds
    from ..strategies import build_strategy
    from ..teachers import asking_for

    seeds = load_seeds(config.seed_sources)
    warn_personal(seeds, config)
    sets = load_sets(config.filters.decontaminate, config.filters.eval_columns)
    strategy = build_strategy(config, asking_for(config))
    folder = Path(config.run_dir)
    past = Run(folder).status() if has_journal(folder) else None
    aim, new_seeds = foresee_start(config, seeds)
    there = 0 if past is None else past.records if aim.more is not None else past.records_free
    expected = estimate(config, seeds, strategy, past, records=aim.target - there)
    usage = expected.usage
    classes = sum(bool(seed.is_classification) for seed in seeds)
    cost = "not known" if expected.cost_usd is None else f"${expected.cost_usd:,.2f} ({expected.price_source})"
    rows = {
        "seeds": f"{len(seeds):,} tasks, {classes:,} of them classifications{new_seeds}",
        "strategy": f"{strategy.name}, prompts {strategy.digest}",
        **_teachers(config),
        **told(config, sets),
        "run": f"{folder}" + (f" (has {past.records:,} records)" if past else " (new)"),
        "target": aim.words,
        "expected requests": f"{expected.requests:,}" + (f" for {aim.target - there:,} records" if there else ""),
        "expected tokens": f"{usage.prompt_tokens:,} in prompts, {usage.completion_tokens:,} generated",
        "expected cost": cost,
        **{f"  for {share.purpose}": _share(share) for share in expected.shares},
        **_judge(config),
        "caps": _caps(config),
        "assumed": expected.basis,
    }
    if aim.more is not None and past is not None and past.cost_usd is not None and expected.cost_usd is not None:
        return rows, past.cost_usd + expected.cost_usd  # caps are the whole run's
    return rows, expected.cost_usd


def _teachers(config: RunConfig) -> dict[str, str]:
    """One row for the teacher, or one for each with what it is asked for and how often."""
    if config.teachers is None:
        return {"teacher": f"{config.teacher.kind}: {config.teacher.model}"}
    return {
        f"teacher {each.label}": f"{each.kind}: {each.model}, {', '.join(each.roles)}, weight {each.weight:g}"
        for each in config.teachers
    }


def _judge(config: RunConfig) -> dict[str, str]:
    """Who grades, and what is kept."""
    if config.judge is None:
        return {}
    from ..config.teacher_list import having

    names = ", ".join(each.label for each in having(config.all_teachers, "judge"))
    least = config.judge.min_score
    return {"judge": f"{names}, " + ("all kept" if least is None else f"kept from {least:g}")}


def _share(share: Share) -> str:
    usage, cost = share.usage, "" if share.cost_usd is None else f", ${share.cost_usd:,.2f}"
    return f"{share.requests:,} requests, {usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens{cost}"


def _caps(config: RunConfig) -> str:
    """The caps of a configuration in words."""
    caps = [
        f"${config.max_cost_usd:g}" if config.max_cost_usd is not None else "",
        f"{config.max_requests:,} requests" if config.max_requests is not None else "",
        f"{config.max_tokens:,} tokens" if config.max_tokens is not None else "",
    ]
    return ", ".join(cap for cap in caps if cap) or "none"

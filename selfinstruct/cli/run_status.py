"""The command `status`: a run's records, requests, cost, and rejections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.counted import counted
from .console import AsJson, Debug, RunPath, plain_errors, printable_json, spending, table

if TYPE_CHECKING:
    from pathlib import Path

    from ..journal.status import Status


def status(run: RunPath, as_json: AsJson = False, debug: Debug = False) -> None:
    """Show the progress and the cost of a run, running or not."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..journal.folder import Run

        now = Run(run).status()
        if as_json:
            # `asdict` omits properties.
            derived = ("acceptance", "cost_per_record_usd", "target_cost_usd")
            print(printable_json(asdict(now) | {name: getattr(now, name) for name in derived}))
        else:
            table(_rows(now) | _facets(run))


def _rows(now: Status) -> dict[str, str]:
    rows = {
        "run": f"{now.run_dir} ({now.run_id}), {'running' if now.running else 'not running'}",
        "strategy, teacher": f"{now.strategy}, {now.teacher}",
        "records": f"{now.records:,} of {now.target:,}",
        **_growth(now),
        "admitted": f"{now.admitted:,} of {now.proposed:,} proposed ({now.acceptance:.1%})",
        "requests": f"{now.requests:,} for {counted(now.asked, 'question')} ({now.unanswered:,} without an answer)",
        "tokens": f"{now.prompt_tokens:,} in prompts, {now.completion_tokens:,} generated",
        **spending(now),
    }
    if now.killed:
        rows["  at most"] = f"{now.killed:,} of the requests were in flight at a kill, and count with their worst case"
    if now.taken_over:
        rows["inherited"] = f"{counted(now.taken_over, 'answer')} of another run"
    # Open batch jobs.
    rows |= {f"  waits, {number}": line for number, line in enumerate(now.waiting, 1)}
    rows["last start"] = now.last_start
    return rows | {f"  refused, {reason}": f"{count:,}" for reason, count in now.refused.items()}


def _facets(run: Path) -> dict[str, str]:
    """Return a row with the coverage of the facets, and one for each value that is starved; none without facets."""
    from ..journal.snapshot import read

    with read(run) as snapshot:
        if snapshot.run.config.facets is None:
            return {}
        asked = [each for each in snapshot.coverage if each.requested]
    rows = {"facets": f"{sum(each.is_near for each in asked):,} of {len(asked):,} within 20% of their share"}
    return rows | {f"  {each.facet}, {each.value}": each.why_starved for each in asked if each.starved}


def _growth(now: Status) -> dict[str, str]:
    """Return a row for a target such as +500, and a row for each generation if there are several."""
    rows = {}
    if now.aim is not None and now.aim.more is not None:
        rows["growth"] = f"{now.aim.words}, " + ("met: the next start adds more" if now.aim.met else "under way")
    for each in now.by_generation if now.generations > 1 else ():
        # '21 new seeds (2 of them nearly the same as earlier tasks)'
        seeds = f", {counted(each.new_seeds, 'new seed' if each.number > 1 else 'seed')}" if each.new_seeds else ""
        seeds += f" ({each.near:,} of them nearly the same as earlier tasks)" if each.near else ""
        teacher = f"{each.strategy}, {each.teacher}{seeds}"
        rows[f"  generation {each.number}"] = (
            f"from q{each.first_question} on: {teacher}; {counted(each.records, 'record')}"
        )
    return rows

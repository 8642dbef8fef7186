"""`selfinstruct judge-eval`: how far a judge agrees with people, before its marks decide over a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, plain_errors, printable_json, say, table

if TYPE_CHECKING:
    from ..filters.judge import Agreement
    from ..filters.judge.agreement import OrderedShare


def judge_eval(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A run's YAML file with a section judge.")],
    golden: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Pairs of your own, JSONL; the shipped ones by default.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    debug: Debug = False,
) -> None:
    """Let the configured judge grade hand-labelled pairs, and tell how far its marks agree with people's."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..config.run_config import RunConfig
        from ..filters.judge import load_golden
        from ..generate.assembly import assemble
        from ..generate.expectation import clear_text_warnings
        from ..generate.judge_eval import evaluate_judge

        loaded = RunConfig.load(config, set_)
        pairs = load_golden(golden)
        assemble(loaded)
        for line in clear_text_warnings(loaded):
            say(line)
        found, folder = evaluate_judge(loaded, pairs)
        if as_json:
            print(printable_json(asdict(found)))
        else:
            table(_rows(found))
        say(f"its answers are kept in {folder}")


def _rows(found: Agreement) -> dict[str, str]:
    good, bad = found.means
    rows = {"good above bad": f"{_share(found.overall)}, {found.ties} ties"}
    for parts in (found.by_language, found.by_length, found.by_flaw):
        rows |= {f"  {name}": _share(part) for name, part in parts.items()}
    return rows | {
        "mean mark": f"{good:.2f} for good answers, {bad:.2f} for bad ones",
        f"kept at {found.least:g}": f"{found.kept_good:.0%} of the good, {found.kept_bad:.0%} of the bad",
        "without marks": f"{found.unjudged} answers",
    }


def _share(share: OrderedShare) -> str:
    if share.value is None or share.interval is None:
        return "none judged"
    low, high = share.interval
    return f"{share.value:.0%} of {share.pairs} pairs (95% interval {low:.0%} to {high:.0%})"

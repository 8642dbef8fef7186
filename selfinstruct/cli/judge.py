"""The command `judge-eval`: measures how well a judge agrees with people, before its marks filter a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from .console import AsJson, Debug, Overrides, plain_errors, printable_json, say, table

if TYPE_CHECKING:
    from ..filters.judge import Agreement
    from ..filters.judge.agreement import OrderedShare


def judge_eval(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A configuration with a section `judge`.", show_default=False)
    ],
    golden: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own labeled pairs, JSONL; default: the built-in pairs.")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure how well the configured judge agrees with people.

    The judge grades pairs of a good and a bad answer, labeled by hand.
    """
    with plain_errors(debug):
        from dataclasses import asdict

        from ..config.run_config import RunConfig
        from ..filters.judge import load_golden
        from ..generate.assembly import assemble
        from ..generate.expectation import clear_text_warnings
        from ..generate.judge_eval import evaluate_judge

        loaded = RunConfig.load(config, overrides)
        # `assemble` reports what is wrong with the configuration before a request is sent.
        pairs = load_golden(golden)
        assemble(loaded)
        for line in clear_text_warnings(loaded):
            say(line)

        # Grade the pairs. The answers are stored, so that a second evaluation with the same judge is free.
        agreement, folder = evaluate_judge(loaded, pairs)
        if as_json:
            print(printable_json(asdict(agreement)))
        else:
            table(_rows(agreement))
        say(f"the judge's answers are stored in {folder}")


def _rows(agreement: Agreement) -> dict[str, str]:
    """Return the rows of the table: the share of pairs in the right order, overall and by group, and the means."""
    good, bad = agreement.means
    rows = {"good above bad": f"{_share(agreement.overall)}, {counted(agreement.ties, 'tie')}"}
    for parts in (agreement.by_language, agreement.by_length, agreement.by_flaw):
        rows |= {f"  {name}": _share(part) for name, part in parts.items()}
    return rows | {
        "mean mark": f"{good:.2f} for good answers, {bad:.2f} for bad ones",
        f"kept at {agreement.least:g}": f"{agreement.kept_good:.0%} of the good, {agreement.kept_bad:.0%} of the bad",
        "without marks": counted(agreement.unjudged, "answer"),
    }


def _share(share: OrderedShare) -> str:
    if share.value is None or share.interval is None:
        return "none judged"
    low, high = share.interval
    return f"{share.value:.0%} of {counted(share.pairs, 'pair')} (95% interval {low:.0%} to {high:.0%})"

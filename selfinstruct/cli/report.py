"""The commands `report` (a run as an HTML page) and `compare` (two runs side by side)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import AsJson, Debug, RunPath, find_run, plain_errors, printable_json

if TYPE_CHECKING:
    from ..report.page import Comparison

_WordList = Annotated[
    bool, typer.Option("--word-list", help="Find verbs with the built-in word list, even if spaCy is installed.")
]


def report(
    run: RunPath,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page to write; default: report.html in the run's folder.")
    ] = None,
    no_records: Annotated[bool, typer.Option("--no-records", help="Omit the table of records.")] = False,
    max_records: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Show at most N records and N rejected tasks, sampled with a fixed seed."
        ),
    ] = None,
    word_list: _WordList = False,
    debug: Debug = False,
) -> None:
    """Write a run's report, one HTML page, and print its path.

    The page loads nothing from the network. Works while the run is in progress, too.
    """
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..report.page import write_report

        if no_records and max_records is not None:
            raise UsageError("--no-records, --max-records: contradict each other; give only one")
        most = 0 if no_records else max_records  # None: all records
        path = write_report(run, output, max_records=most, parser="word-list" if word_list else "auto")
        if str(path) != "-":
            print(path)


def compare(
    run_a: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="A run's folder.", callback=find_run, show_default=False)
    ],
    run_b: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="Another run's folder.", callback=find_run, show_default=False)
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the comparison as a page, and print its path.")
    ] = None,
    as_json: AsJson = False,
    word_list: _WordList = False,
    debug: Debug = False,
) -> None:
    """Compare two runs: yield, cost, diversity, lengths."""
    with plain_errors(debug):
        from ..report.page import compare as compare_runs, write_comparison

        # Compute both runs' measures on samples of the same size.
        comparison = compare_runs(run_a, run_b, parser="word-list" if word_list else "auto")
        if as_json:
            values = {measure.key: {"a": measure.a, "b": measure.b} for measure in comparison.measures}
            runs = {"a": str(run_a), "b": str(run_b)}
            found_by = comparison.a.figures.pairs.found_by
            print(printable_json({"runs": runs, "sampled": comparison.sampled, "verbs_found_by": found_by} | values))
        else:
            _print_table(comparison)

        # With --json, standard output must stay one JSON object, so the page's path is not printed.
        if html is not None:
            path = write_comparison(comparison, html)
            if not as_json:
                print(path)


def _print_table(comparison: Comparison) -> None:
    names = (comparison.a.figures.name, comparison.b.figures.name)
    # 'acceptance', '62.1%', '58.0%': each column is as wide as its widest cell.
    rows = [(measure.group, measure.name, *measure.words) for measure in comparison.measures]
    first = max(len(row[1]) for row in rows) + 2
    widths = [max(len(name), *(len(row[place]) for row in rows)) for place, name in ((2, names[0]), (3, names[1]))]
    print(f"{'':<{first}}  {names[0]:>{widths[0]}}  {names[1]:>{widths[1]}}")
    # Each group of measures has a heading, such as 'diversity of 1,000 instructions each'.
    group = ""
    for name, measure, a, b in rows:
        if name != group:
            group = name
            sample = f" of {comparison.sampled:,} instructions each" if "sample" in name else ""
            print(f"{group}{sample}")
        print(f"  {measure:<{first - 2}}  {a:>{widths[0]}}  {b:>{widths[1]}}")
    print(f"verbs and nouns: {comparison.a.figures.pairs.found_by}")

"""The commands `report` and `compare`: a run as a page, two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, plain_errors, printable, printable_json

if TYPE_CHECKING:
    from ..report.page import Comparison

_WordList = Annotated[bool, typer.Option("--word-list", help="Find verbs by the word list though spaCy is installed.")]


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; report.html in the run's folder by default.")
    ] = None,
    no_records: Annotated[bool, typer.Option("--no-records", help="Leave the table of records out.")] = False,
    max_records: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most N records and N refused candidates, by a fixed draw."),
    ] = None,
    word_list: _WordList = False,
    debug: Debug = False,
) -> None:
    """Write a run's report, one HTML page that loads nothing, and print its path. Also while the run is going."""
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..report.page import write_report

        if no_records and max_records is not None:
            raise UsageError("--no-records, --max-records: one or the other")
        most = 0 if no_records else max_records
        print(write_report(run, output, max_records=most, parser="word-list" if word_list else "auto"))


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run's folder.", show_default=False)],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another run's folder.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a page, too, and print its path.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    word_list: _WordList = False,
    debug: Debug = False,
) -> None:
    """Set two runs side by side: yield, cost, diversity, lengths."""
    with plain_errors(debug):
        from ..report.page import compare as compare_runs, write_comparison

        found = compare_runs(run_a, run_b, parser="word-list" if word_list else "auto")
        if as_json:
            values = {measure.key: {"a": measure.a, "b": measure.b} for measure in found.measures}
            runs = {"a": str(run_a), "b": str(run_b)}
            found_by = found.a.figures.pairs.found_by
            print(printable_json({"runs": runs, "sampled": found.sampled, "verbs_found_by": found_by} | values))
        else:
            _show(found)
        if html is not None:
            path = write_comparison(found, html)
            if not as_json:
                print(path)


def _show(found: Comparison) -> None:
    """Aligned columns: the measure, one run, the other."""
    names = (printable(found.a.figures.name), printable(found.b.figures.name))
    rows = [(measure.group, measure.name, *measure.words) for measure in found.measures]
    first = max(len(row[1]) for row in rows) + 2
    widths = [max(len(name), *(len(row[place]) for row in rows)) for place, name in ((2, names[0]), (3, names[1]))]
    print(f"{'':<{first}}  {names[0]:>{widths[0]}}  {names[1]:>{widths[1]}}")
    group = ""
    for name, measure, a, b in rows:
        if name != group:
            group = name
            sample = f" of {found.sampled:,} instructions each" if "sample" in name else ""
            print(f"{group}{sample}")
        print(f"  {measure:<{first - 2}}  {a:>{widths[0]}}  {b:>{widths[1]}}")
    print(f"verbs and nouns: {printable(found.a.figures.pairs.found_by)}")

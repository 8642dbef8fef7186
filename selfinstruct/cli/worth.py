"""The command `worth`: which of several datasets is better, by a blind reading."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from .console import Debug, Port, plain_errors, say
from .review import serve_page

if TYPE_CHECKING:
    from ..config.sections import SelectConfig
    from ..worth.blind_comparison import Worth


def worth(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Two or more runs or datasets (folders, files, names on the hub), or one run with selected records.",
            show_default=False,
        ),
    ],
    read: Annotated[
        bool, typer.Option("--read", help="Open the page for reading rows blind, until enough has been read.")
    ] = False,
    reader: Annotated[
        str, typer.Option(metavar="NAME", help="Who reads; grades are stored under this name.")
    ] = "reader",
    grades: Annotated[
        Path, typer.Option(metavar="FILE", help="The file of blind grades, to be added to and used again.")
    ] = Path("grades.jsonl"),
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to draw of each source, at most.")] = 200,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which rows are read, and their order.")] = 42,
    margin: Annotated[
        float, typer.Option(metavar="POINTS", min=1, max=100, help="A smaller difference doesn't matter to you.")
    ] = 15,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Select records of each run, as its dataset.select would, such as '{count: 300, by: spread}'.",
        ),
    ] = None,
    port: Port = 0,
    debug: Debug = False,
) -> None:
    """Tell which of two datasets is better, by a blind reading.

    Rows of all sources are drawn by the seed, shuffled, and graded without their source. Without --read, prints what
    the grades say, next to what can be measured without reading.
    """
    with plain_errors(debug):
        from ..worth.blind_comparison import compare, reading

        chosen = _selection(select)
        if read:
            desk = reading(sources, grades, reader, rows=rows, seed=seed, margin=margin / 100, select=chosen)
            serve_page(
                desk, port, f"{counted(desk.left(), 'row')} of {len(desk.rows):,} to read, fewer if they differ much"
            )
        found = compare(sources, grades, rows=rows, seed=seed, margin=margin / 100, select=chosen)
        for name, why in found.added.items():
            print(f"added {name}: {why}")
        if found.added:
            print("a selection is worth something only if it beats random records and the longest ones\n")
        _print_reading(found)
        _print_measures(found)
        if not found.is_over:
            selected = f" --select {shlex.quote(select)}" if select else ""
            say(f"next: selfinstruct worth {' '.join(sources)}{selected} --read --grades {grades}")


def _selection(text: str | None) -> SelectConfig | None:
    """Read a value of `dataset.select`. Raises ConfigError."""
    if text is None:
        return None
    from ..config.run_config import RunConfig
    from ..config.yaml_file import overridden

    # The other keys are only there because a configuration needs them.
    values = {"seeds": "-", "run_dir": "-", "teacher": {"kind": "fake", "model": "fake"}}
    return RunConfig.parse(overridden(values, [f"dataset.select={text}"]), "--select").dataset.select


def _print_reading(found: Worth) -> None:
    for reader, results in found.read.items():
        if left := found.left[reader]:  # a reader who continues must not know the result yet
            print(f"{reader}: {counted(left, 'row')} left to read, fewer if they differ much")
            continue
        print(f"read blind by {reader}")
        for each in results:
            print(f"  {each.line}")
            measures = found.measures[each.source]
            if measures.tokens is not None and each.keep:
                seconds = "" if measures.seconds is None else f" and {measures.seconds / each.keep:,.1f} s"
                print(f"    {measures.tokens / each.keep:,.0f} generated tokens{seconds} for each kept row")
        for gap in found.gaps[reader]:
            print(f"  {gap.line}")
    for line in found.agreements:
        print(line)
    if not found.read:
        print("nothing read yet")


def _print_measures(found: Worth) -> None:
    print("\nmeasured, not read (only 'checked' says anything about right and wrong)")
    lines = {
        "rows": [f"{each.rows:,}" for each in found.measures.values()],
        "median words, task": [f"{each.words[0]:g}" for each in found.measures.values()],
        "median words, answer": [f"{each.words[1]:g}" for each in found.measures.values()],
        "checked by a program": [
            "-" if each.checked is None else f"{each.checked[1]:,} of {each.checked[0]:,} right"
            for each in found.measures.values()
        ],
        "hit by rules": [f"{each.by_rules:.1%}" for each in found.measures.values()],
        "ROUGE-L to the nearest": [_or_dash(each.diversity.nearest) for each in found.measures.values()],
        "ROUGE-L to all": [_or_dash(each.diversity.self_rouge) for each in found.measures.values()],
        "distinct verb-noun pairs": [f"{each.diversity.distinct_pairs}" for each in found.measures.values()],
        "tokens per row": [_or_dash(each.tokens, ",.0f") for each in found.measures.values()],
        "seconds per row": [_or_dash(each.seconds, ",.1f") for each in found.measures.values()],
    }
    heads = ["", *(Path(name).name for name in found.names)]
    cells = [heads, *([name, *values] for name, values in lines.items())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _or_dash(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)

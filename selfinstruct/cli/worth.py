"""The command `worth`: how good a dataset is, or which of several is better, by a blind reading."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..core.counted import counted
from ..core.errors import UsageError
from .console import AsJson, Debug, Port, find_runs, plain_errors, printable_json, say
from .review import serve_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..config.sections import SelectConfig
    from ..worth.blind_reading import BlindReading
    from ..worth.trial import Trial

_READER, _GRADES, _ROWS, _SEED, _MARGIN = "reader", Path("grades.jsonl"), 200, 42, 15


def worth(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="One or more runs or datasets: folders, configurations, files, names on the hub.",
            callback=find_runs,
            show_default=False,
        ),
    ],
    read: Annotated[
        bool, typer.Option("--read", help="Open the page for reading rows blind, until enough has been read.")
    ] = False,
    reader: Annotated[
        str, typer.Option(metavar="NAME", help="Who reads; grades are stored under this name.")
    ] = _READER,
    judge: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="Let the judge of a configuration grade the rows, as a person would."),
    ] = None,
    grades: Annotated[
        Path, typer.Option(metavar="FILE", help="The file of blind grades, to be added to and used again.")
    ] = _GRADES,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to draw of each source, at most.")] = _ROWS,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which rows are read, and their order.")] = _SEED,
    margin: Annotated[
        float, typer.Option(metavar="POINTS", min=1, max=100, help="A smaller difference doesn't matter to you.")
    ] = _MARGIN,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Select records of each run, as its dataset.select would, such as '{count: 300, by: spread}'.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the comparison as a page with charts.")
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also train a small model on each source: a folder, a GGUF file, or smollm2-135m (downloaded).",
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tasks to measure students with, in place of those that ship."),
    ] = None,
    trial: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The students' results, to be continued or shown again; with --student, trial."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Train all layers of a student, for machines with a GPU.")
    ] = False,
    as_json: AsJson = False,
    port: Port = 0,
    debug: Debug = False,
) -> None:
    """Tell how good a dataset is, or which of several is better, by a blind reading.

    Rows of all sources are drawn by the seed, shuffled, and graded without their source. Without --read, prints what
    the grades say, next to what can be measured without reading. With --student, trains small models, too.
    """
    with plain_errors(debug):
        from ..worth.blind_comparison import compare, reading
        from ..worth.student import read_trial
        from .worth_output import print_worth, values_of

        _refuse(reader if read else None, student, held_out, full, html)
        if trial and not student:
            read_trial(trial)  # a missing one is reported before a person has read anything
        if "-" in sources and (read or judge or student or trial):
            raise UsageError("-: standard input can be read only once; save it to a file, and name that")
        chosen = _selection(select)
        desk_of = partial(reading, sources, grades, rows=rows, seed=seed, margin=margin / 100, select=chosen)
        if judge:
            _let_judge_read(judge, desk_of)
        if read:
            _read(desk_of(reader), port, sys.stderr if as_json else sys.stdout)
        found = compare(sources, grades, rows=rows, seed=seed, margin=margin / 100, select=chosen)
        show = print if not as_json else lambda _: None
        if not as_json:
            print_worth(found, grades)
        tried = None
        if student or trial:
            tried = _trial(sources, chosen, student, trial or Path("trial"), held_out, seed, full)
            show("\n" + "\n".join(tried.lines))
        if html is not None:
            from ..worth.worth_page import write_worth

            show(f"\n{write_worth(found, html, tried)}")
        if as_json:
            print(printable_json(values_of(found, tried)))
        if not found.is_over and "-" not in sources:
            options = {"--select": select, "--grades": grades, "--reader": reader, "--rows": rows, "--seed": seed}
            say(f"next: {_reading_on(sources, options | {'--margin': f'{margin:g}'})}")


def _refuse(reader: str | None, student: str | None, held_out: Path | None, full: bool, html: Path | None) -> None:
    """Raise UsageError for what can't work, before anything that takes time or needs a person."""
    from ..worth.blind_reading import JUDGE

    if reader and reader.startswith(JUDGE):
        raise UsageError(f"--reader {reader}: such names are for judges; choose another one")
    if student is None and (full or held_out):
        raise UsageError(f"{'--full' if full else '--held-out'}: is for a student; name one with --student")
    if student:
        from ..worth.student_model import find_student

        find_student(student)
    if html is not None and not html.absolute().parent.is_dir():
        raise UsageError(f"--html {html}: its folder doesn't exist; create it, or choose another folder")
    if html is not None and html.is_dir():
        raise UsageError(f"--html {html}: is a folder; name a file in it")


def _reading_on(sources: Sequence[str], options: Mapping[str, object]) -> str:
    """Return the command that continues this reading, without options that have their default."""
    usual = {
        "--select": None,
        "--grades": _GRADES,
        "--reader": _READER,
        "--rows": _ROWS,
        "--seed": _SEED,
        "--margin": f"{_MARGIN}",
    }
    given = [part for name, value in options.items() if value != usual[name] for part in (name, f"{value}")]
    return shlex.join(["selfinstruct", "worth", *sources, "--read", *given])


def _trial(
    sources: list[str],
    chosen: SelectConfig | None,
    student: str | None,
    folder: Path,
    held_out: Path | None,
    seed: int,
    full: bool,
) -> Trial:
    """Train what is left to train, or read a finished trial if there is no student."""
    from ..worth.arms import arms_of
    from ..worth.student import read_trial, run_trial

    contents = {arm.name: arm.contents for arm in arms_of(sources, chosen)}
    if student is None:
        found = read_trial(folder)
        names = [arm.name for arm in found.arms]
        if not set(names) <= contents.keys():
            raise UsageError(f"--trial {folder}: is about {', '.join(names)}; name these, too, or another folder")
        return found
    return run_trial(contents, student, folder, held_out=held_out, seed=seed, full=full, report=say)


def _selection(text: str | None) -> SelectConfig | None:
    """Read a value of `dataset.select`. Raises ConfigError."""
    if text is None:
        return None
    from ..config.run_config import RunConfig
    from ..config.yaml_file import overridden

    # The other keys are only there because a configuration needs them.
    values = {"seeds": "-", "run_dir": "-", "teacher": {"kind": "fake", "model": "-"}}
    return RunConfig.parse(overridden(values, [f"dataset.select={text}"]), "--select").dataset.select


def _read(desk: BlindReading, port: int, stream: TextIO) -> None:
    """Serve the page, unless nothing is left to read. stream: gets its address."""
    if _is_left(desk):
        from .worth_output import rows_left

        serve_page(desk, port, rows_left(desk.left(), desk.sources), stream)
        if desk.decided:
            say(f"{desk.reader}: {counted(desk.decided, 'grade')} stored in {desk.grades.path}")


def _is_left(desk: BlindReading) -> bool:
    """Whether a row is left to read; says so if none is."""
    if not desk.left():
        say(f"{desk.reader}: nothing left to read")
    return bool(desk.left())


def _let_judge_read(path: Path, desk_of: Callable[[str], BlindReading]) -> None:
    from ..config.run_config import RunConfig
    from ..generate.assembly import assemble
    from ..generate.expectation import clear_text_warnings
    from ..worth.judge_reader import let_judge_read, reader_of

    config = RunConfig.load(path)
    assemble(config)  # reports what is wrong with the configuration before a request is sent
    for line in clear_text_warnings(config):
        say(line)
    desk = desk_of(reader_of(config))
    if not _is_left(desk):
        return
    unreadable, folder = let_judge_read(desk, config)
    say(f"{desk.reader}: {counted(desk.decided, 'row')} graded; its answers are stored in {folder}")
    if unreadable:
        say(f"{desk.reader}: {counted(unreadable, 'answer')} can't be read and count as no grade")

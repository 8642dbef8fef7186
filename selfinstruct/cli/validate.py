"""The command `validate`: check whether a trainer reads a dataset as intended."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from ..core.errors import UsageError
from .console import Debug, find_runs, plain_errors, printable_json, say, table

if TYPE_CHECKING:
    from ..trainers import Report


def validate(
    dataset: Annotated[
        str,
        typer.Argument(
            help="Dataset or run folder, a run's configuration, JSONL, Parquet, CSV, hub name.",
            callback=lambda source: find_runs([source])[0],
            show_default=False,
        ),
    ],
    trainer: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="TRAINER",
            help="trl-sft, trl-dpo, trl-kto, trl-reward, axolotl, llama-factory, torchtune, mlx-lm or openai.",
            show_default=False,
        ),
    ] = "",
    config: Annotated[str | None, typer.Option(metavar="NAME", help="Config; default: the dataset's default.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens per row; default: the trainer's.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="FILE", help="Count tokens with a tokenizer.json.")] = None,
    write_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the trainer's configuration to FILE; '-' prints only it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
    debug: Debug = False,
) -> None:
    """Check a dataset against a trainer's contract and print what to change. Exit code 2 if there is an error."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..journal.folder import dataset_in
        from ..trainers import TRAINERS, config_stub, validate_dataset

        if not trainer:
            raise UsageError(f"--for: is missing; name the trainer, one of {', '.join(TRAINERS)}")
        dataset = dataset_in(dataset)

        # Print the report, then write the configuration even if there are errors.
        report = validate_dataset(dataset, trainer, config=config, max_length=max_length, tokenizer=tokenizer)
        is_printed = str(write_config) == "-"
        with contextlib.redirect_stdout(sys.stderr if is_printed else sys.stdout):
            if as_json:
                print(printable_json(asdict(report) | {"rows": report.rows, "ok": report.ok}))
            else:
                _print_report(report)
        if write_config is not None:
            stub = config_stub(dataset, trainer, config=config, max_length=max_length)
            if is_printed:
                print(stub, end="")
            else:
                _write_new_file(write_config, stub)
        if not report.ok:
            raise typer.Exit(2)


def _print_report(report: Report) -> None:
    from ..trainers import contract_of

    contract = contract_of(report.trainer)
    errors = sum(finding.level == "error" for finding in report.findings)
    rows = {"trainer": f"{contract.name} {contract.version} ({contract.docs})"}
    rows["dataset"] = report.dataset + (f", config {report.config}" if report.config else "")
    rows["read as"] = report.layout or "no layout that it reads"
    if report.splits:
        rows["rows"] = ", ".join(f"{split} {count:,}" for split, count in report.splits)
        if report.records not in (0, report.rows):
            rows["records"] = f"{report.records:,}; some have several rows, such as instances"
        if report.dialogues:
            rows["dialogues"] = f"{counted(report.dialogues, 'row')} with several answers"
            rows["loss on"] = report.loss
        rows["longest row"] = f"{report.longest:,} tokens{'' if report.counted else ', estimated'}"
    if report.suited:
        rows["also reads"] = f"config {', '.join(report.suited)}"
    warnings = counted(len(report.findings) - errors, "warning")
    rows["found"] = f"{counted(errors, 'error')}, {warnings}" if report.findings else "nothing"
    table(rows)
    # 'error: foreign_role, train.jsonl:3 (2 rows)', then the effect and the remedy.
    for finding in report.findings:
        count = f" ({counted(finding.rows, 'row')})" if finding.rows else ""
        print(f"\n{finding.level}: {finding.code}, {finding.where}{count}")
        print(f"  {finding.what}")
        print(f"  to change: {finding.change}")


def _write_new_file(path: Path, text: str) -> None:
    from ..core.errors import cannot_write

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"--write-config {path}: already exists; name a new file, or '-' to print it") from None
    except OSError as error:
        raise cannot_write(f"--write-config {path}", error) from None
    say(f"written: {path}")

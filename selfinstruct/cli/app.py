"""The Typer application: registers every command, in the order in which `selfinstruct --help` lists them.

The modules of the commands import heavy libraries inside their functions, so that `--help` prints quickly.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..core.errors import EXIT_CODES, SelfInstructError, machine_error
from .check import check, preview
from .console import say
from .dedup import dedup
from .explain import explain
from .generate import generate
from .init import init
from .judge import judge_eval
from .list_records import list_records
from .merge import merge
from .push import push
from .report import compare, report
from .reuse import export, refilter
from .review import review
from .run_status import status
from .scatter import scatter
from .serve import serve
from .show_documents import documents
from .streams import safe_streams, stop_like_ctrl_c
from .teacher_commands import serve_fake, teacher_app
from .validate import validate


class _Commands(TyperGroup):
    def main(self, *args: Any, **options: Any) -> Any:
        try:
            with safe_streams(), stop_like_ctrl_c():
                return super().main(*args, **options)
        except Exception as error:  # outside of a command: `--help` onto a full disk, an argument's configuration
            known = error if isinstance(error, SelfInstructError) else machine_error(error)
            if known is None:
                raise
            say(f"error: {known}")
            sys.exit(known.exit_code)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Grow an instruction dataset from a few seed tasks, by Self-Instruct or Alpaca. "
    "Start with: selfinstruct init my-dataset.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
)

# Make a dataset.
app.command(epilog="Example: selfinstruct init my-dataset --teacher local")(init)
app.command(
    short_help="Show what is read of documents, and their passages.",
    epilog="Example: selfinstruct documents manuals/ 'guides/**/*.pdf'",
)(documents)
app.command(epilog="Example: selfinstruct check configs/openai.yaml --set target=5000")(check)
app.command(epilog="Example: selfinstruct preview configs/openai.yaml -n 1")(preview)
app.command(epilog="Example: selfinstruct generate configs/openai.yaml. The same command resumes the run.")(generate)
app.command(epilog="Example: selfinstruct status data/openai --json")(status)

# Look at a run.
app.command("list", epilog="Example: selfinstruct list data/openai --reason too_similar --text sonnet")(list_records)
app.command(epilog="Examples: selfinstruct explain data/openai q17.3; selfinstruct explain data/openai --text sonnet")(
    explain
)
app.command(epilog="Example: selfinstruct report data/openai --output openai.html")(report)
app.command(epilog="Example: selfinstruct compare data/openai data/zh --html compared.html")(compare)
app.command(
    short_help="Review records on a web page, by keyboard.",
    epilog="Examples: selfinstruct review data/openai --reviewer anna; selfinstruct review data/openai --audit 200",
)(review)
app.command(epilog="Example: selfinstruct serve data/openai --port 8080")(serve)

# Use its dataset. A `short_help` fits on one line of 80 columns.
app.command(epilog="Example: selfinstruct export data/openai --format alpaca --output out/alpaca")(export)
app.command(epilog="Example: selfinstruct refilter data/openai data/stricter --set max_similarity=0.5")(refilter)
app.command(
    short_help="Check whether a trainer reads a dataset as intended.",
    epilog="Example: selfinstruct validate data/openai/dataset --for trl-sft",
)(validate)
app.command(epilog="Example: selfinstruct push data/openai owner/name --create-pr")(push)

# Work with any dataset, with several machines, and with teachers.
app.command(
    short_help="Remove near-duplicates from any dataset.",
    epilog="Example: selfinstruct dedup alpaca.jsonl alpaca-distinct.jsonl --column instruction",
)(dedup)
app.command(
    short_help="Merge runs and datasets without near-duplicates.",
    epilog="Example: selfinstruct merge data/machine-1 data/machine-2 bought.jsonl data/all",
)(merge)
app.command(
    short_help="Run one job as several streams on a Ray cluster.",
    epilog="Example: selfinstruct scatter configs/vllm.yaml --shards 8 --address ray://head:10001",
)(scatter)
app.command("judge-eval", epilog="Example: selfinstruct judge-eval configs/openai.yaml --set judge.min_score=3")(
    judge_eval
)
app.command("serve-fake", epilog="Example: selfinstruct serve-fake --port 8099 --latency-s 0.05")(serve_fake)
app.add_typer(teacher_app, name="teacher")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    # `selfinstruct --version` must not need a command.
    if version:
        from ..core.version import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the `selfinstruct` command."""
    app()

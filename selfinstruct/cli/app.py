"""The Typer application: registers every command, in the order in which `selfinstruct --help` lists them.

The modules of the commands import heavy libraries inside their functions, so that `--help` prints quickly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.completion import completion_init, install_callback, show_callback  # type: ignore[attr-defined]

from ..core.errors import EXIT_CODES, SelfInstructError, machine_error
from .check import check, preview
from .console import say
from .dedup import dedup
from .explain import explain
from .generate import generate
from .help import NO_COLOR, Command, CommandGroup, print_help
from .init import init, schema
from .judge import judge_eval
from .list_records import list_records
from .merge import merge
from .push import push
from .report import report
from .reuse import export, refilter
from .review import review
from .run_status import status
from .serve import serve
from .show_documents import documents
from .streams import safe_streams, stop_like_ctrl_c
from .teacher_commands import serve_fake, teacher_app
from .validate import validate
from .worth import worth


class _Commands(CommandGroup):
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
    add_completion=False,  # `_root` has these options, without Typer's defaults, which load pydantic at every command
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Grow an instruction dataset from a few seed tasks, by Self-Instruct or Alpaca. "
    "Start with: selfinstruct init my-dataset.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
)


def _add(section: str, function: Callable[..., None], example: str, name: str = "", summary: str = "") -> None:
    """Register a command; by default, its summary is the first sentence of its help. Both fit into 80 columns."""
    name = name or function.__name__
    examples = [f"selfinstruct {name} {each}" for each in example.split("; ")]
    epilog = f"Example{'s' if len(examples) > 1 else ''}: {'; '.join(examples)}"
    app.command(name, cls=Command, rich_help_panel=section, short_help=summary or None, epilog=epilog)(function)


_add("Start a dataset", init, "my-dataset --teacher local")
_add("Start a dataset", check, "configs/openai.yaml --set target=5000")
_add("Start a dataset", preview, "configs/openai.yaml -n 1")
_add("Start a dataset", generate, "configs/openai.yaml")
_add("Start a dataset", status, "data/openai --json")

_add("Look at a run", list_records, "data/openai --reason too_similar --text sonnet", name="list")
_add("Look at a run", explain, "data/openai q17.3; data/openai --text sonnet")
_add("Look at a run", report, "data/openai --output openai.html", summary="Write a run's report, one HTML page.")
_add(
    "Look at a run",
    review,
    "data/openai --reviewer anna; data/openai --audit 200",
    summary="Review records on a web page, by keyboard.",
)
_add("Look at a run", serve, "data/openai --port 8080", summary="Serve a run's live figures and its report.")
_add(
    "Look at a run",
    worth,
    "data/law data/law-checked --read --reader anna",
    summary="Tell which dataset is better, by a blind reading.",
)

_add(
    "Use a dataset",
    export,
    "data/openai --format alpaca --output out/alpaca",
    summary="Write a run's dataset in other formats, or to a file.",
)
_add(
    "Use a dataset",
    validate,
    "data/openai --for trl-sft",
    summary="Check whether a trainer reads a dataset as intended.",
)
_add("Use a dataset", push, "data/openai owner/name --create-pr")
_add("Use a dataset", refilter, "data/openai data/stricter --set max_similarity=0.5")
_add(
    "Use a dataset",
    dedup,
    "alpaca.jsonl alpaca-distinct.jsonl --column instruction",
    summary="Remove near-duplicates from any dataset.",
)
_add(
    "Use a dataset",
    merge,
    "data/machine-1 data/machine-2 bought.jsonl data/all",
    summary="Merge runs and datasets without near-duplicates.",
)

_add("Teachers", serve_fake, "--port 8099 --latency-s 0.05", name="serve-fake")
_add("Teachers", judge_eval, "configs/openai.yaml --set judge.min_score=3", name="judge-eval")

_add("More", documents, "manuals/ 'guides/**/*.pdf'", summary="Show what is read of documents, and their passages.")
_add("More", schema, "> schema.json")


app.add_typer(teacher_app, name="teacher", rich_help_panel="Teachers")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    no_color: Annotated[bool, typer.Option(NO_COLOR, help="Print without color, as with NO_COLOR=1.")] = False,
    install_completion: Annotated[
        bool,
        typer.Option("--install-completion", callback=install_callback, help="Let your shell complete commands."),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option("--show-completion", callback=show_callback, help="Print what --install-completion installs."),
    ] = False,
) -> None:
    # `selfinstruct --version` must not need a command.
    if version:
        from ..core.version import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print_help(context.get_help())


completion_init()


def main() -> None:
    """Run the `selfinstruct` command."""
    app()

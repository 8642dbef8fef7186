"""The command line: parse, call, print. Everything it does can be done from Python in as many words.

Heavy imports stand inside the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import EXIT_CODES
from .console import Debug, plain_errors, printable, printable_json, say, spending, table
from .dedup import dedup
from .explain import explain
from .generate import generate
from .judge import judge_eval
from .merge import merge
from .push import push
from .report import compare, report
from .scatter import print_streams, scatter
from .serve import serve
from .teacher_commands import serve_fake, teacher_app
from .validate import validate

if TYPE_CHECKING:
    from ..config.run_config import RunConfig
    from ..journal.status import Status

_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a seed file to an instruction dataset: Self-Instruct and Alpaca, resumable, budgeted, exact.",
    epilog=_EPILOG,
)
app.add_typer(teacher_app, name="teacher")
app.command(epilog="Example: selfinstruct dedup alpaca.jsonl alpaca-distinct.jsonl --column instruction")(dedup)
app.command(epilog="Example: selfinstruct merge data/machine-1 data/machine-2 bought.jsonl data/all")(merge)
app.command(epilog="Example: selfinstruct scatter configs/vllm.yaml --shards 8 --address ray://head:10001")(scatter)
app.command(epilog="Example: selfinstruct explain data/openai q17.3; selfinstruct explain data/openai --text sonnet")(
    explain
)
app.command(
    epilog="Examples: selfinstruct generate configs/openai.yaml; the same command goes on with a run that ended early."
)(generate)
app.command("judge-eval", epilog="Example: selfinstruct judge-eval configs/openai.yaml --set judge.min_score=3")(
    judge_eval
)
app.command(epilog="Example: selfinstruct validate data/openai/dataset --for trl-sft")(validate)
app.command(epilog="Example: selfinstruct push data/openai owner/name --create-pr")(push)
app.command(epilog="Example: selfinstruct report data/openai --output openai.html")(report)
app.command(epilog="Example: selfinstruct compare data/openai data/zh --html compared.html")(compare)
app.command(epilog="Example: selfinstruct serve data/openai --port 8080")(serve)
app.command("serve-fake", epilog="Example: selfinstruct serve-fake --port 8099 --latency-s 0.05")(serve_fake)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's YAML file.", show_default=False)]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as teacher.model=gpt-4o-mini. Repeatable."),
]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from ..core.version import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog="Example: selfinstruct init my-dataset --teacher local")
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path("."),
    teacher: Annotated[
        str, typer.Option(help="Start from: openai, local, self_instruct, several, vllm, ollama or zh.")
    ] = "openai",
    force: Annotated[bool, typer.Option(help="Overwrite files that are there.")] = False,
    debug: Debug = False,
) -> None:
    """Write a configuration and a seed file to start from."""
    with plain_errors(debug):
        from ..seeds.starter import write_starter

        for path in write_starter(folder, teacher, force):
            print(path)
        say(f"next: selfinstruct check {folder / 'selfinstruct.yaml'}")


@app.command(epilog="Example: selfinstruct check configs/openai.yaml --set target=5000")
def check(config: ConfigPath, set_: Set = None, debug: Debug = False) -> None:
    """Validate configuration and seeds and print what the run will ask and cost. Asks nothing."""
    with plain_errors(debug):
        from ..generate.expectation import check as expect

        found = expect(_load(config, set_))
        table(found.rows)
        for note in found.notes:
            say(note)


@app.command(epilog="Example: selfinstruct preview configs/openai.yaml -n 1")
def preview(
    config: ConfigPath,
    count: Annotated[int, typer.Option("-n", min=1, help="How many proposals.")] = 2,
    set_: Set = None,
    debug: Debug = False,
) -> None:
    """Print the exact first prompts, and those that develop a task. Asks nothing."""
    with plain_errors(debug):
        from ..generate.preview import preview as first_prompts

        loaded = _load(config, set_)
        for title, prompt in first_prompts(loaded, count):
            _show_prompt(title, prompt)
        if any(each.structured == "auto" for each in loaded.all_teachers):
            say("note: shown as text; a server that follows JSON schemas is asked with one (teacher.structured)")


@app.command(epilog="Example: selfinstruct status data/openai --json")
def status(
    run: RunPath,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    debug: Debug = False,
) -> None:
    """Tell where a run stands, also while it is going."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..journal.folder import Run, begun_runs, streams_of

        if streams := streams_of(run):
            print_streams(run, len(streams), [each.status() for each in begun_runs(streams)], as_json)
            return
        now = Run(run).status()
        if as_json:
            derived = ("acceptance", "cost_per_record_usd", "target_cost_usd")
            print(printable_json(asdict(now) | {name: getattr(now, name) for name in derived}))
            return
        rows = {
            "run": f"{now.run_dir} ({now.run_id}), {'running' if now.running else 'not running'}",
            "strategy, teacher": f"{now.strategy}, {now.teacher}",
            "records": f"{now.records:,} of {now.target:,}",
            **_grown(now),
            "admitted": f"{now.admitted:,} of {now.proposed:,} proposed ({now.acceptance:.1%})",
            "requests": f"{now.requests:,} for {now.asked:,} questions ({now.unanswered:,} without an answer)",
            "tokens": f"{now.prompt_tokens:,} in prompts, {now.completion_tokens:,} generated",
            **spending(now),
            **({"taken over": f"{now.taken_over:,} answers of another run"} if now.taken_over else {}),
            **{f"  waits, {number}": line for number, line in enumerate(now.waiting, 1)},
            "last start": now.last_start,
        }
        rows |= {f"  refused, {reason}": f"{count:,}" for reason, count in now.refused.items()}
        table(rows)


@app.command(epilog="Example: selfinstruct export data/openai --format alpaca --output out/alpaca")
def export(
    run: RunPath,
    format: Annotated[list[str] | None, typer.Option(help="A format, repeatable; the first is default.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write; the run's dataset/ by default.")] = None,
    test_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share of the split 'test'.")] = None,
    set_: Set = None,
    debug: Debug = False,
) -> None:
    """Write a run's dataset again, in other formats or another place. Asks nothing."""
    with plain_errors(debug):
        from ..dataset.export import export as write_again

        print(write_again(run, output, formats=format or (), test_share=test_share, overrides=set_))


@app.command(epilog="Example: selfinstruct refilter data/openai data/stricter --set max_similarity=0.5")
def refilter(
    run: RunPath,
    new_run: Annotated[Path, typer.Argument(metavar="NEW_RUN", help="A new run's folder.", show_default=False)],
    set_: Set = None,
    debug: Debug = False,
) -> None:
    """Apply other filters to a run's answers, at no cost, into a new run that `generate` can go on with."""
    with plain_errors(debug):
        from ..generate.refilter import refilter as replay

        done = replay(run, new_run, set_)
        outcome = done.outcome
        say(outcome.detail)
        if outcome.exit_code:
            say(f"to ask for what is missing: selfinstruct generate {new_run / 'config.yaml'}")
        if done.dataset_path.exists():
            print(done.dataset_path)
        if outcome.exit_code:
            raise typer.Exit(outcome.exit_code)


def _grown(now: Status) -> dict[str, str]:
    """What each start adds, where one does, and a line for each generation where there are several."""
    rows = {}
    if now.aim is not None and now.aim.more is not None:
        rows["growth"] = f"{now.aim.words}, " + ("met: the next start adds more" if now.aim.met else "under way")
    for each in now.by_generation if now.generations > 1 else ():
        seeds = f", {each.new_seeds:,} {'new ' if each.number > 1 else ''}seeds" if each.new_seeds else ""
        seeds += f" ({each.near:,} of them nearly the same as earlier tasks)" if each.near else ""
        who = f"{each.strategy}, {each.teacher}{seeds}"
        rows[f"  generation {each.number}"] = f"from q{each.first_question} on: {who}; {each.records:,} records"
    return rows


def _load(path: Path, overrides: list[str] | None) -> RunConfig:
    from ..config.run_config import RunConfig

    return RunConfig.load(path, overrides)


def _show_prompt(title: str, prompt: Any) -> None:
    sampling = {name: getattr(prompt.sampling, name) for name in prompt.sampling.__slots__}
    print(f"=== {title}: {prompt.endpoint}, {json.dumps({k: v for k, v in sampling.items() if v is not None})}")
    if prompt.endpoint == "completions":
        print(printable(prompt.text))
    else:
        for message in prompt.messages:
            print(f"--- {message.role}\n{printable(message.content)}")
    print()


def main() -> None:
    """Entry point of the `selfinstruct` command."""
    app()

"""The commands `init` (writes a configuration and a seed file) and `schema` (describes a configuration)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.paths import quoted
from .console import Debug, plain_errors, say


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to.")] = Path("."),
    teacher: Annotated[
        str,
        typer.Option(metavar="NAME", help="Start from: openai, local, self_instruct, several, vllm, ollama or zh."),
    ] = "openai",
    domain: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the tasks are for, such as 'law exams': the key `task`.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="PATH", help="Your seed tasks, which are checked, instead of shipped ones.")
    ] = None,
    target: Annotated[int | None, typer.Option(metavar="N", min=1, help="Number of records in the dataset.")] = None,
    language: Annotated[
        str | None, typer.Option(metavar="TAG", help="Language of prompts and filters, such as de or zh-Hans.")
    ] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Also write the prompts, to change their wording.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    debug: Debug = False,
) -> None:
    """Write a configuration and a seed file to start from."""
    with plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..seeds.starter import write_starter

        for option, text in (("--domain", domain), ("--seeds", seeds)):
            if text and not "".join(text.split()).isprintable():
                raise UsageError(f"init: {option}: contains a character that can't be printed; remove it")
        given = {"task": domain and " ".join(domain.split()), "target": target, "language": language}
        values = {key: value for key, value in given.items() if value is not None}
        RunConfig.parse({"seeds": "seeds", "run_dir": "run"} | values, "init")
        for path in write_starter(folder, teacher, force, seeds=seeds, values=values, prompts=prompts):
            print(path)
        if domain and not seeds:
            say("note: the seeds are of all kinds; replace them with 10 to 20 tasks of your domain")
        say(f"next: selfinstruct check {quoted(folder / 'selfinstruct.yaml')}")


def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of the configuration.

    An editor that reads it completes and checks the keys of a configuration.
    """
    with plain_errors(debug):
        from ..config.run_config import json_schema

        print(json_schema(), end="")

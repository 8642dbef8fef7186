"""The command `init`: writes a configuration and a seed file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.paths import quoted
from .console import Debug, plain_errors, say


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to.")] = Path("."),
    teacher: Annotated[
        str,
        typer.Option(metavar="NAME", help="Start from: openai, local, self_instruct, several, vllm, ollama or zh."),
    ] = "openai",
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    debug: Debug = False,
) -> None:
    """Write a configuration and a seed file to start from."""
    with plain_errors(debug):
        from ..seeds.starter import write_starter

        for path in write_starter(folder, teacher, force):
            print(path)
        say(f"next: selfinstruct check {quoted(folder / 'selfinstruct.yaml')}")

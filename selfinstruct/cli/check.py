"""The commands `check` and `preview`: what a run asks and costs, before it sends a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .console import ConfigPath, Debug, Overrides, plain_errors, say, table

if TYPE_CHECKING:
    from ..core.prompts import Prompt


def check(config: ConfigPath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Validate a configuration and its seeds; estimate the cost.

    Prints the expected requests, tokens and dollars. Sends no requests.
    """
    with plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..generate.expectation import check as expect

        expectation = expect(RunConfig.load(config, overrides))
        table(expectation.rows)
        for note in expectation.notes:
            say(note)


def preview(
    config: ConfigPath,
    count: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Number of prompts for new tasks.")] = 2,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Print the first prompts exactly as `generate` sends them.

    Also prints the prompts that develop a task. Sends no requests.
    """
    with plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..generate.rehearsal import preview as first_prompts

        loaded = RunConfig.load(config, overrides)
        for title, prompt in first_prompts(loaded, count):
            _print_prompt(title, prompt)
        if any(teacher.structured == "auto" for teacher in loaded.all_teachers):
            say("note: shown as text; a server that supports JSON schemas also gets a schema (teacher.structured)")


def _print_prompt(title: str, prompt: Prompt) -> None:
    sampling = {name: getattr(prompt.sampling, name) for name in prompt.sampling.__slots__}
    print(f"=== {title}: {prompt.endpoint}, {json.dumps({k: v for k, v in sampling.items() if v is not None})}")
    if prompt.endpoint == "completions":
        print(prompt.text)
    else:
        for message in prompt.messages:
            print(f"--- {message.role}\n{message.content}")
    print()

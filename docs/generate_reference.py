"""Write the pages of docs/reference/ from the code; `make reference` runs this."""

from __future__ import annotations

import inspect
import json
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import selfinstruct as si
from selfinstruct.cli.app import app
from selfinstruct.config.run_config import ListedTeacher, RunConfig

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Generated from the code by docs/generate_reference.py; do not edit. -->\n"


def cell(text: object) -> str:
    """Return a text as one cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def default_of(field: FieldInfo) -> str:
    """Return a field's default as YAML would show it, or a word where there is none to show."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "its own defaults"
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"


def sections(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """Return the sections below a model as (key, model)."""
    found: list[tuple[str, type[BaseModel]]] = []
    for key, field in model.model_fields.items():
        for candidate in [field.annotation, *getattr(field.annotation, "__args__", ())]:
            if inspect.isclass(candidate) and issubclass(candidate, BaseModel):
                found.append((key, candidate))
    return found


def configuration() -> str:
    """Return the page of configuration keys, a table for each section."""
    intro = "Each key of a configuration file. A nested key is written `section.key` in `--set`.\n"
    parts = [NOTE, "# Configuration\n", intro]
    for key, model in [("", RunConfig), *sections(RunConfig), ("teachers", ListedTeacher)]:
        parts.append(f"## {f'`{key}`' if key else 'Top level'}\n")
        parts.append(f"{cell(model.__doc__ or '')}\n")
        parts.append("| key | default | description |\n|---|---|---|")
        for name, field in model.model_fields.items():
            parts.append(f"| `{name}` | {cell(default_of(field))} | {cell(field.description or '')} |")
        parts.append("")
    return "\n".join(parts)


def commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    """Return every command below a click group as (full name, command)."""
    found = []
    for name, command in sorted(group.commands.items()):
        inner = (
            commands(command, f"{prefix} {name}") if hasattr(command, "commands") else [(f"{prefix} {name}", command)]
        )
        found += inner
    return found


def cli() -> str:
    """Return the page of commands, with the arguments and options of each."""
    group = typer.main.get_command(app)
    parts = [NOTE, "# Command line\n", f"{cell(group.epilog or '')}\n"]
    for name, command in commands(group, "selfinstruct"):
        parts += [
            f"## `{name}`\n",
            f"{cell(command.help or '')}\n",
            "| argument or option | default | description |\n|---|---|---|",
        ]
        for parameter in command.params:
            if getattr(parameter, "hidden", False):
                continue
            is_option = parameter.param_type_name == "option"
            names = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name.upper())
            shown = parameter.default
            known = isinstance(shown, str | int | float) and not isinstance(shown, bool)
            default = f"`{cell(shown)}`" if known else ""
            described = cell(getattr(parameter, "help", "") or "")
            parts.append(f"| `{cell(names)}` | {default} | {described} |")
        parts.append("")
    return "\n".join(parts)


def python() -> str:
    """Return the page of public names, each with its signature and docstring."""
    parts = [NOTE, "# Python\n", "The public names of `import selfinstruct`.\n"]
    for name in si.__all__:
        value = getattr(si, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        parts.append(f"## `{name}`\n")
        if inspect.isfunction(value):
            # A function as a default prints its address, which differs between two runs.
            signature = re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"...", str(inspect.signature(value)))
            prefix = "async " if inspect.iscoroutinefunction(value) else ""
            parts.append(f"```text\n{prefix}{name}{signature}\n```\n")
        doc = inspect.getdoc(value) if value.__doc__ else None
        parts.append(f"```text\n{doc}\n```\n" if doc else "")
    return "\n".join(parts)


PAGES = {"configuration.md": configuration, "cli.md": cli, "python.md": python}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page().rstrip() + "\n", encoding="utf-8")
        print(FOLDER / file, file=sys.stderr)

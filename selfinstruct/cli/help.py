"""The `--help` of commands: options and commands in named groups, in color where the terminal supports it."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..core.suggest import closest, in_plain_words
from .console import in_color, print_styled

NO_COLOR = "--no-color"
# 'Options:' and 'Start:', in bold; '  --set KEY=VALUE   Override a key' and '  init   Write', the name in color.
_HEADING = re.compile(r"^(Usage|\w[\w ]*(?=:$))", re.MULTILINE)
_NAME = re.compile(r"^  (\S+(?: \S+)*)(?=  )", re.MULTILINE)


class Command(TyperCommand):
    """A command whose options are grouped by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of arguments and options."""
        _write(formatter, _options(self, ctx))

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`, which prints in color."""
        return _in_color(super().get_help_option(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Say what is wrong with a value in the words of this package; Typer says it in pydantic's."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # "'tabel' is not one of 'table', 'jsonl'."
            error.message = in_plain_words(error.message)
            if wrong := re.fullmatch(r"'(.*)' is not one of (.*)\.", error.message):
                guess = closest(wrong[1], re.findall(r"'([^']+)'", wrong[2]))
                error.message = error.message[:-1] + (f"; did you mean {guess!r}?" if guess else "")
            raise


class CommandGroup(TyperGroup):
    """Commands that are grouped by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of commands, in workflow order, and then the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            summary = command.get_short_help_str(80)
            sections.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append((name, summary))
        _write(formatter, sections)
        _write(formatter, _options(self, ctx))

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`, which prints in color."""
        return _in_color(super().get_help_option(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --no-color anywhere: `selfinstruct explain RUN --no-color`."""
        end = args.index("--") if "--" in args else len(args)
        if NO_COLOR in args[:end]:
            os.environ["NO_COLOR"] = "1"  # for child processes, too
        return super().parse_args(ctx, [each for each in args[:end] if each != NO_COLOR] + args[end:])


def print_help(text: str) -> None:
    """Print a help text, in color if standard output is a terminal."""
    if in_color(sys.stdout):
        print_styled(_NAME.sub("  \x1b[36m\\1\x1b[0m", _HEADING.sub("\x1b[1m\\1\x1b[0m", text)), sys.stdout)
    else:
        print(text)


def _in_color(option: Any) -> Any:
    if option is not None:
        option.callback = _show
        option.default = False  # None, the default, is converted to bool by pydantic, which takes time to import
    return option


def _show(ctx: Any, _: object, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        print_help(ctx.get_help())
        ctx.exit()


def _options(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the lines of arguments and options by section."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        if (line := param.get_help_record(ctx)) is not None:  # None: hidden
            default = "Arguments" if param.param_type_name == "argument" else "Options"
            sections.setdefault(getattr(param, "rich_help_panel", None) or default, []).append(line)
    return sections


def _write(formatter: Any, sections: dict[str, list[tuple[str, str]]]) -> None:
    """Write sections whose texts all begin in the same column."""
    width = max((len(first) for lines in sections.values() for first, _ in lines), default=0)
    for title, lines in sections.items():
        with formatter.section(title):
            formatter.write_dl([(first.ljust(min(width, 30)), second) for first, second in lines])

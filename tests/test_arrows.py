"""Arrows between the rooms point one way, and a heavy dependency is imported in one room only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "selfinstruct"
VALUES = set("_version errors schema text suggest shipped config_file config_sections config_teachers config".split())
LOOP = set("loop developer generations opening stopping generate evaluate".split())
FRONT = set(
    "__init__ __main__ cli console progress estimate starter preflight teacher_commands dedup_command"
    " explain_command judge_command validate_command push_command generate_command job report_command merge_command"
    " serve_command scatter scatter_command".split()
)
"""The command line and what only it uses: these may import anything, and nothing below imports them."""

DRAWN = {
    "config_file": {"errors", "suggest"},
    "config_sections": {"schema", "config_file"},
    "config_teachers": {"config_sections"},
    "config": {"errors", "text", "config_file", "config_sections", "config_teachers"},
    "seeds": {"tables"},
    "dedup": {"exchange", "novelty", "tables"},
    "merge": {"dedup", "novelty", "runs", "tables"},
    "validate": {"tables"},
    "decontaminate": {"novelty", "tables"},
    "filters": {"decontaminate", "plugins"},
    "strategies": {"plugins"},
    "judge": set(),
    "limits": set(),
    "counting": set(),
    "terms": set(),
    "teachers": {"counting", "limits", "plugins"},
    "ledger": {"store"},
    "jobs": {"store"},
    "arrivals": {"store"},
    "sent": {"store"},
    "journal": {"arrivals", "jobs", "ledger", "sent", "store"},
    "growth": {"journal"},
    "changes": {"journal", "seeds"},
    "budget": {"counting", "journal"},
    "gate": set(),
    "roster": {"gate"},
    "ask": {"budget", "gate", "journal", "limits", "roster"},
    "status": {"growth", "journal"},
    "runs": {"changes", "growth", "journal", "status"},
    "seal": {"journal", "runs"},
    "signals": {"journal", "runs", "status", "teachers"},
    "provenance": {"journal", "runs"},
    "licensing": {"journal", "provenance", "runs", "terms"},
    "pool": {"filters", "journal", "novelty", "strategies"},
    "explain": {"journal", "licensing", "novelty", "provenance", "runs", "terms"},
    "linguistics": set(),
    "export": {"exchange", "journal", "licensing", "linguistics", "provenance", "runs", "status"},
    "serve": {"linguistics", "report", "runs", "status"},
    "report": {"journal", "linguistics", "novelty", "runs", "status"},
}
"""Every arrow between two values, or two parts (which all may use values); a new one needs a reason and a line here."""

HOMES = {
    "tokenizers": {"counting", "validate"},
    "openai": {"teachers"},
    "datasets": {"export", "tables"},
    "pyarrow": {"export", "tables"},
    "jinja2": {"export", "report"},
    "py3langid": {"linguistics"},
    "ray": {"scatter"},
    "spacy": {"linguistics"},
    "opentelemetry": {"signals"},
    "prometheus_client": {"signals"},
}


def imports() -> Iterator[tuple[str, str, bool]]:
    """(room, what it imports, whether that is a room of ours), wherever in a file the import stands."""
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                above = [*where[: -node.level], *filter(None, [node.module])]  # 'from ..a.b' in c/d.py: a.b
                for name in above[:1] or [alias.name for alias in node.names]:
                    if name.partition(".")[0] != where[0]:
                        yield where[0], name.partition(".")[0], True
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                yield from ((where[0], name.partition(".")[0], name.startswith("selfinstruct")) for name in names)


ARROWS = {(room, name) for room, name, ours in imports() if ours}
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def targets(room: str) -> set[str]:
    return {name for start, name in ARROWS if start == room}


def test_what_is_named_here_exists() -> None:
    assert VALUES | LOOP | DRAWN.keys() <= ROOMS
    assert {name for _, name in ARROWS} <= ROOMS


@pytest.mark.parametrize("room", sorted(VALUES))
def test_a_value_imports_only_values_that_are_drawn(room: str) -> None:
    assert targets(room) == DRAWN.get(room, set())


@pytest.mark.parametrize("room", sorted(ROOMS - VALUES - LOOP - FRONT))
def test_a_part_imports_values_and_the_parts_that_are_drawn(room: str) -> None:
    assert targets(room) - VALUES == DRAWN.get(room, set())


def test_nothing_below_imports_the_loop_or_the_front() -> None:
    assert not {room for room in LOOP if not targets(room).isdisjoint(FRONT)}
    assert {room for room, name in ARROWS if name == "generate"} <= {"cli", "generate_command", "scatter", "__init__"}


@pytest.mark.parametrize("dependency", sorted(HOMES))
def test_a_heavy_dependency_is_imported_at_home_only(dependency: str) -> None:
    assert {room for room, name, ours in imports() if name == dependency and not ours} <= HOMES[dependency]

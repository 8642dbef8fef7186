"""The commands of docs/start/ and of the guide to prompts print what the pages show.

Each ```console block is a session: lines that begin with `$ ` are run, the lines below them are their output (standard
output and standard error). A page's blocks run in order in one empty folder. A comment `<!-- file: NAME -->` saves the
block below it as a file; `<!-- not run: REASON -->` skips it. The pages for one kind of user have ```sh blocks, which
only have to work, and a notebook, whose cells are run. To write the real output into the pages, run this file:

    .venv/bin/python tests/end_to_end/test_start_pages.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = [*sorted((ROOT / "docs" / "start").glob("*.md")), GUIDE / "prompts.md"]
PAGES.remove(OWN_DOMAIN := ROOT / "docs" / "start" / "own-domain.md")
USERS = [OWN_DOMAIN, *(GUIDE / f"{name}.md" for name in "student company researcher operator deduplicate-only".split())]
BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]+) -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
VARIES = [
    (re.compile(r"(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\dZ?"), "TIME"),
    (re.compile(r"\b[\d.,]+ (s|rec/min)\b"), r"N \1"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "DIGEST"),  # of the configuration, so it changes whenever a default does
    (re.compile(r"read \d{4}-\d\d-\d\d"), "read DATE"),
]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment where `selfinstruct` and `python` are this checkout's, without a key."""
    commands = folder / "bin"
    commands.mkdir()
    for name, arguments in (("selfinstruct", "-m selfinstruct"), ("python", "")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    quiet = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    return {**kept, **quiet, "COLUMNS": "80", "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}


def sessions(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run a page's commands in `folder`; yield each block's body as printed and as it came out."""
    env = environment(folder)
    work = folder / "work"
    work.mkdir()
    for block in BLOCK.finditer(page):
        note, body = block["note"] or "", block["body"]
        if note.startswith("file: "):
            (work / note.removeprefix("file: ")).write_text(body, encoding="utf-8")
        elif block["kind"] == "console" and not note.startswith("not run: "):
            lines = []
            for command in re.findall(r"^\$ (.+)$", body, re.MULTILINE):
                done = subprocess.run(
                    command, shell=True, cwd=work, env=env, timeout=120, encoding="utf-8",
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
                lines.append(f"$ {command}\n{done.stdout}")
            yield body, "".join(lines)


def comparable(text: str) -> str:
    """Return a session without what differs between two runs: times, speeds, and digests."""
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text


@pytest.mark.parametrize(
    "page",
    # Every command is a process; a page of ten takes half a minute.
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem != "quickstart")) for page in PAGES],
)
def test_the_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    ran = list(sessions(page.read_text(encoding="utf-8"), tmp_path))
    assert len(ran) > 2
    for shown, came_out in ran:
        assert comparable(came_out) == comparable(shown), f"{page.name}: run {Path(__file__).name} as a program"


@pytest.mark.slow
@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in USERS])
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    ran = 0
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        note, body = block["note"] or "", block["body"]
        if note.startswith("file: "):
            (work / note.removeprefix("file: ")).parent.mkdir(exist_ok=True)
            (work / note.removeprefix("file: ")).write_text(body, encoding="utf-8")
        elif block["kind"] == "sh" and not note.startswith("not run: "):
            shell = ["bash", "-eo", "pipefail", "-c", body]
            done = subprocess.run(shell, cwd=work, env=env, timeout=300, capture_output=True, encoding="utf-8")
            assert done.returncode == 0, f"{body}{done.stdout}{done.stderr}"
            ran += 1
    assert ran >= 3


def test_the_cells_of_the_notebook_run(tmp_path: Path) -> None:
    """In one interpreter with a running event loop, as in Jupyter, but without its kernel."""
    cells = json.loads((GUIDE / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    script = f"""
import asyncio
async def main(names):
    for cell in {code + code[2:3]!r}:  # the last one is the run again
        exec(cell, names)
asyncio.run(main({{}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(tmp_path),
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("target 20") == 3
    assert "difference=0.0" in done.stdout


def rewrite(page: Path) -> None:
    """Write what the commands of a page print into it, where that differs from what it shows."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for shown, came_out in sessions(text, Path(folder)):
            if comparable(shown) != comparable(came_out):
                text = text.replace(f"```console\n{shown}```", f"```console\n{came_out}```", 1)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for start_page in PAGES:
        rewrite(start_page)

"""Make docs/images/report.png, the top of the report on a rehearsal run. Needs Chromium and Playwright (extra `dev`).

    .venv/bin/python docs/make_pictures.py

The run uses the fake teacher and tasks that a program writes, so the picture needs neither a key nor a model. Only the
speed and the dates differ from one time to the next.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import selfinstruct as si

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1280, 1100
"""Pixels: the first screen of a large laptop."""


def rehearse(folder: Path) -> Path:
    """Make a run of 300 records in `folder` and return its report. A program writes the tasks, so they make sense."""
    config = si.RunConfig.parse(
        {
            "strategy": {"kind": "verifiable", "kinds": {"code": 2, "maths": 4, "structured": 2, "constraints": 2}},
            "run_dir": str(folder / "rehearsal"),
            "target": 300,
            "teacher": {"kind": "fake"},
        }
    )
    return si.write_report(si.run(config), folder / "report.html")


def photograph(page_file: Path, picture: Path) -> None:
    """Open the report in headless Chromium and save its first screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_timeout(1000)  # the table of records is unpacked in the background
        picture.parent.mkdir(exist_ok=True)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        photograph(rehearse(Path(made)), PICTURE)
    print(f"{PICTURE} ({PICTURE.stat().st_size:,} bytes)", file=sys.stderr)

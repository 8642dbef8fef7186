"""A report on 52,000 records: how large it is, how soon it is painted, how fast its search answers, in real Chromium.

    python benchmarks/report.py [--records 52000] [--keep FOLDER]

A run is made first: records, refused candidates and their neighbours written straight into a journal, with instructions
from a small grammar of verbs, objects and topics. Then the report is written, and Chromium (Debian's package; driven by
Playwright) opens it from the disk three times. Printed: seconds to write it, its size with and without records, the
times of `performance.getEntriesByType("paint")`, seconds until every row is unpacked, of searches and of a sort.
Ends with code 1 when a figure misses what is promised: 500 KB without records, 1 s to the first paint.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from report_run import make_run

from selfinstruct.report.page import write_report

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--disable-sync",
]  # fmt: skip


def look(page: Page, path: Path) -> dict[str, float]:
    """Open the report and time what a reader waits for, in seconds."""
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_load_state("load", timeout=60_000)
    paints: list[list[float]] = []
    while len(paints) < 2:  # not `wait_for_function`: the page's policy forbids what it is made with
        paints = page.evaluate("performance.getEntriesByType('paint').map(e => [e.name, e.startTime / 1000])")
    found = {name: float(at) for name, at in paints}
    found["page loaded"] = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    began = time.perf_counter()
    page.locator("#records").scroll_into_view_if_needed()
    page.wait_for_selector("#body .row", timeout=60_000)
    found["first rows"] = time.perf_counter() - began
    page.wait_for_selector("#found[data-ready=true]", timeout=120_000)
    found["all rows unpacked"] = time.perf_counter() - began
    for word in ("volcanic", "number 77 bakery", "zebra"):
        began = time.perf_counter()
        page.fill("#search", word)
        page.wait_for_selector("#found[data-ready=true]", timeout=60_000)
        found[f"search '{word}'"] = time.perf_counter() - began
    page.fill("#search", "")
    page.wait_for_selector("#found[data-ready=true]")
    began = time.perf_counter()
    page.click("#grid [data-sort=instruction]")
    page.wait_for_selector("[aria-sort=ascending]")
    found["sort by instruction"] = time.perf_counter() - began
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=52_000)
    parser.add_argument("--keep", type=Path, help="Make the run and its report in this folder, and leave them there.")
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="selfinstruct-report-"))
    try:
        sys.exit(measure(folder, options.records))
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, records: int) -> int:
    """Print every figure; 1 when one misses its promise."""
    run = make_run(folder / "run", records)
    began = time.perf_counter()
    path = write_report(run, folder / "report.html", parser="word-list")
    seconds = time.perf_counter() - began
    bare = write_report(run, folder / "bare.html", max_records=0, parser="word-list").stat().st_size
    size = path.stat().st_size / 1e6
    print(f"{records:,} records: written in {seconds:.1f} s, {size:.1f} MB, {bare / 1e3:.0f} KB without records")
    times: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(3):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            for name, value in look(page, path).items():
                times.setdefault(name, []).append(value)
            page.close()
        browser.close()
    for name, values in times.items():
        print(f"  {name:<28} {statistics.median(values):7.3f} s   (of {', '.join(f'{value:.3f}' for value in values)})")
    paint = statistics.median(times["first-contentful-paint"])
    missed = [
        name for name, is_missed in (("500 KB", bare >= 500_000), ("first paint in 1 s", paint >= 1.0)) if is_missed
    ]
    print("missed: " + ", ".join(missed) if missed else "reached: under 500 KB without records, first paint under 1 s")
    return int(bool(missed))


if __name__ == "__main__":
    main()

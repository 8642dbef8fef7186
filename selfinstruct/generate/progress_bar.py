"""The progress bar that a run shows in a notebook or on a terminal when it is called from Python."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from ..core.events import Progress


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Yield a function that shows a run's progress in one `tqdm.auto` bar; None if standard error is not a terminal."""
    in_notebook = "ipykernel" in sys.modules
    if not (in_notebook or sys.stderr.isatty()):
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="record", dynamic_ncols=True) as bar:

        def show(progress: Progress) -> None:
            bar.total, bar.n = progress.target, progress.records
            cost = f", ${progress.cost_usd:.2f}" if progress.priced else ""
            bar.set_postfix_str(f"{progress.requests:,} requests{cost}", refresh=False)
            bar.refresh()

        yield show

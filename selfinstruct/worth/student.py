"""Train a student on several datasets and on a control, and tell what it learned: `run_trial` and `read_trial`.

Every finished training is one line on disk, so that a killed trial continues where it was. `read_trial` needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..core.reviews import Content
from .trial import Trial


def run_trial(
    contents: Mapping[str, Sequence[Content]],
    student: str | Path,
    folder: str | Path,
    *,
    held_out: str | Path | None = None,
    seeds: int = 3,
    seed: int = 42,
    full: bool = False,
    report: Callable[[str], None] = print,
) -> Trial:
    """Run a trial, or continue one, and return what it found. The same inputs give the same result.

    Args:
        contents: The rows of each arm, by its name, as `selfinstruct.report.blind.contents_of` returns them; at least
            one arm.
        student: A folder with a causal model and its tokenizer, a GGUF file, or a name of the catalog.
        folder: Where the results are kept.
        held_out: A file of tasks in any layout that seeds may have; None for the tasks that ship with the package.
        seeds: How many students to train on each arm.
        seed: Decides the first of these seeds, and the wrong prompts.
        full: Train all layers, which needs a GPU or patience.
        report: Called with a line about each finished training.

    Raises:
        UsageError: The extra is missing, the student or the tasks can't be read, or an arm has too few rows.
        StorageError: The folder can't be written.
    """
    raise NotImplementedError


def read_trial(folder: str | Path) -> Trial:
    """Return what a finished trial found.

    Raises:
        UsageError: The folder has no trial, or one that isn't finished.
    """
    raise NotImplementedError

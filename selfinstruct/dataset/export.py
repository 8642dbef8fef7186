"""Write a run's dataset again: in other formats, or to another place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig, overridden
from ..core.errors import UsageError
from ..journal.folder import Run
from .write import write_dataset


def export(
    run: Run | str | Path,
    output: str | Path | None = None,
    *,
    formats: Sequence[str] = (),
    test_share: float | None = None,
    overrides: list[str] | None = None,
) -> Path:
    """Write the dataset of `run` and return its folder. Sends nothing.

    Args:
        run: The run, or its folder.
        output: The folder to write; `dataset/` in the run's folder by default.
        formats: Names of formats; the first is the default configuration. Empty: those of the run.
        test_share: Share of the rows in the split 'test', 0 to 1. None: that of the run.
        overrides: 'dataset.key=value' strings.

    Raises:
        ConfigError: An unknown format or key.
        UsageError: No such run, or an override outside of `dataset`.
    """
    opened = run if isinstance(run, Run) else Run(run)
    changes: dict[str, Any] = {}
    if test_share is not None:
        changes["test_share"] = test_share
    values = overridden(opened.config.model_dump(mode="json", exclude_unset=True), overrides or [])
    config = RunConfig.parse(values, "export")
    if config.model_copy(update={"dataset": opened.config.dataset}) != opened.config:
        raise UsageError("--set: an export changes keys of the dataset only, such as dataset.system_prompt")
    settings = config.dataset.with_formats(formats) if formats else config.dataset
    return write_dataset(opened, None if output is None else Path(output), settings.model_copy(update=changes))

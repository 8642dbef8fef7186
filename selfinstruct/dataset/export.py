"""Write a run's dataset again, in other formats or to another folder; for the command `export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig, overridden
from ..core.errors import ConfigError, UsageError
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
        formats: Names of formats; the first is the default config. Empty uses those of the run.
        test_share: Share of the rows in the split 'test', 0 to 1. None uses that of the run.
        overrides: 'dataset.key=value' strings.

    Raises:
        ConfigError: A format or key is unknown.
        UsageError: There is no such run, or an override is outside of `dataset`.
    """
    opened = run if isinstance(run, Run) else Run(run)
    changes: dict[str, Any] = {}
    if test_share is not None:
        if not 0 <= test_share <= 1:
            raise ConfigError(f"dataset.test_share: must be 0 to 1 (it is {test_share:g})")
        changes["test_share"] = test_share
    values = overridden(opened.config.model_dump(mode="json", exclude_unset=True), overrides or [])
    config = RunConfig.parse(values, "export")
    # The answers were made with the rest of the configuration, so an export can't change it.
    if config.model_copy(update={"dataset": opened.config.dataset}) != opened.config:
        raise UsageError("--set: an export can only change keys of the dataset; use keys such as dataset.system_prompt")
    settings = config.dataset.with_formats(formats) if formats else config.dataset
    return write_dataset(opened, None if output is None else Path(output), settings.model_copy(update=changes))

"""Apply other filters to the answers that a run already has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.fields import MayChange
from ..config.run_config import RunConfig, may_change, overridden
from ..core.errors import UsageError
from ..journal.folder import Run
from .start import run


def refilter(
    source: str | Path, new_run: str | Path, overrides: list[str] | None = None, *, strategy: Any = None, **changes: Any
) -> Run:
    """Replay the answers of a run through other filters into a new run, at no cost.

    Args:
        source: The folder of the run whose answers are used; it is not changed.
        new_run: The folder of the new run; `config.yaml` in it continues the run.
        overrides: 'key=value' strings, such as 'max_similarity=0.5'.
        strategy: The strategy, where the run was made with one that was passed in and can't be imported.
        changes: Top-level keys of the configuration.

    Raises:
        ConfigError: An unknown key, or a strategy that can't be imported.
        UsageError: A key that would claim other answers than the run has.
    """
    import yaml

    # The old values, with the old target where the caller sets none.
    old = Run(source)
    values: Mapping[str, Any] = old.config.model_dump(mode="json", exclude_unset=True)
    values = {**values, "target": old.status().target} | changes
    config = RunConfig.parse(overridden(values, overrides or []) | {"run_dir": str(new_run)}, "refilter")
    _check_only_filters(old.config, config)

    # The replay, and a configuration file that continues the new run.
    done = run(config, fork_of=source, recall_only=True, strategy=strategy, progress=None)
    text = yaml.safe_dump(config.for_run(), sort_keys=False, allow_unicode=True)
    (Path(new_run) / "config.yaml").write_text(text, encoding="utf-8")
    return done


def _check_only_filters(source: RunConfig, config: RunConfig) -> None:
    """Raise UsageError where a key changes that the answers depend on."""
    before, after = source.meaning("", ""), config.meaning("", "")
    changed = [key for key in after if before.get(key) != after[key]]
    other = [key for key in changed if may_change(key) is not MayChange.WITH_A_REFILTER]
    if other:
        raise UsageError(
            f"refilter: the answers depend on {', '.join(other)}, so it can't be changed here; "
            "`selfinstruct generate --fork NEW_DIR` continues with other settings"
        )

"""Write a run's numbers to a file for the textfile collector of Prometheus' node exporter.

This is the only module that imports `prometheus_client` (the extra 'metrics'). The end of every start replaces the file
atomically, even after a failure; only a success updates `selfinstruct_last_success_timestamp_seconds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UsageError, cannot_write
from .summary import Summary

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_SUCCESS = "selfinstruct_last_success_timestamp_seconds"


def check_metrics_file(path: Path) -> None:
    """Raise UsageError early if metrics can't be written to `path`: no extra, no folder, or another suffix."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise UsageError("--metrics-file: needs the extra 'metrics'; pip install 'selfinstruct[metrics]'") from None
    if path.suffix != ".prom":
        raise UsageError(f"--metrics-file {path}: the collector only reads *.prom; rename the file")
    if not path.parent.is_dir():
        raise UsageError(f"--metrics-file {path}: the folder {path.parent} doesn't exist; create it")


def write_metrics(path: Path, summary: Summary) -> None:
    """Replace the file with the numbers of `summary`. Raises StorageError, or UsageError for wrong permissions."""
    from prometheus_client import CollectorRegistry, write_to_textfile

    # A failed start keeps the time of the last success, which is nowhere but in the file itself.
    successes = _read_successes(path)
    name = summary.run or next(iter(successes), "unknown")
    if summary.outcome.exit_code in (0, 99):
        successes = {name: summary.ended_at}
    registry = CollectorRegistry()
    registry.register(_FixedCollector([*_run_metrics(name, summary), *_success_metrics(successes)]))
    # `write_to_textfile` writes a temporary file and renames it.
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise cannot_write(path, error) from None


class _FixedCollector:
    """A collector, in the sense of `prometheus_client`, that returns given metrics."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _run_metrics(name: str, summary: Summary) -> Iterator[Metric]:
    yield _gauge("last_run_timestamp_seconds", "When the last start ended.", name, summary.ended_at)
    yield _gauge("last_run_duration_seconds", "How long the last start took.", name, summary.seconds)
    yield _gauge("last_run_exit_code", "Exit code of the last start.", name, summary.outcome.exit_code)
    now = summary.status
    if now is None:
        return
    yield _gauge("records", "Finished records.", name, now.records)
    yield _gauge("target_records", "Records asked for.", name, now.target)
    yield _gauge("admitted_tasks", "Proposed tasks that entered the pool.", name, now.admitted)
    yield _gauge("refused", "Tasks, answers and instances refused, by reason.", name, now.refused, "reason")
    yield _counter("requests", "Requests to teachers, by outcome.", name, summary.requests, "outcome")
    yield _counter("tokens", "Tokens, by kind; prompt tokens include cached ones.", name, summary.tokens, "kind")
    if now.cost_usd is not None:
        yield _counter("cost_usd", "Dollars spent.", name, now.cost_usd)


def _success_metrics(successes: Mapping[str, float]) -> Iterator[Metric]:
    for name, at in successes.items():
        yield _gauge(_SUCCESS.removeprefix("selfinstruct_"), "When a start last met its target.", name, at)


def _metric(
    kind: str, metric: str, text: str, run: str, value: float | Mapping[str, float], label: str | None = None
) -> Metric:
    """Return a metric of one run. value: with a `label`, the values by the label's value."""
    from prometheus_client.core import Metric

    found = Metric(f"selfinstruct_{metric}", text, kind)
    sample = f"{found.name}_total" if kind == "counter" else found.name
    for name, each in value.items() if isinstance(value, Mapping) else [("", value)]:
        found.add_sample(sample, {"run": run} | ({label: name} if label else {}), each)
    return found


_gauge, _counter = partial(_metric, "gauge"), partial(_metric, "counter")


def _read_successes(path: Path) -> dict[str, float]:
    """Return when each run in the file last succeeded; empty if there is no file, or it can't be parsed."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, IndexError):
        return {}
    samples = [sample for family in families for sample in family.samples if sample.name == _SUCCESS]
    return {sample.labels["run"]: sample.value for sample in samples if "run" in sample.labels}

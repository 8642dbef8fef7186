"""A run's numbers as a file that Prometheus' node exporter collects (its textfile collector).

The one room that imports `prometheus_client` (the extra 'metrics'). The file is replaced in one step at the end of
every start, also of one that failed; only a success moves `selfinstruct_last_success_timestamp_seconds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UsageError, cannot_write
from .summary import Summary

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_SUCCESS = "selfinstruct_last_success_timestamp_seconds"


def check_metrics_file(path: Path) -> None:
    """Raises UsageError where metrics could not be written to `path` in the end: no extra, no folder, another name."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise UsageError("--metrics-file: needs the extra 'metrics': pip install 'selfinstruct[metrics]'") from None
    if path.suffix != ".prom":
        raise UsageError(f"--metrics-file {path}: name it *.prom, nothing else is collected")
    if not path.parent.is_dir():
        raise UsageError(f"--metrics-file {path}: there is no folder {path.parent}")


def write_metrics(path: Path, summary: Summary) -> None:
    """Replace the file by the run's numbers as `summary` has them. Raises StorageError; UsageError for permissions."""
    from prometheus_client import CollectorRegistry, write_to_textfile

    before = _successes(path)
    name = summary.run or next(iter(before), "unknown")
    if summary.outcome.exit_code in (0, 99):
        before = {name: summary.ended_at}
    registry = CollectorRegistry()
    registry.register(_Families([*_of_the_start(name, summary), *_of_the_run(name, summary), *_kept(before)]))
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise cannot_write(path, error) from None


class _Families:
    """What the registry asks for its metrics."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_the_start(name: str, summary: Summary) -> Iterator[Metric]:
    yield _gauge("last_run_timestamp_seconds", "When the last start ended.", name, summary.ended_at)
    yield _gauge("last_run_duration_seconds", "How long the last start took.", name, summary.seconds)
    yield _gauge("last_run_exit_code", "What the last start ended with.", name, summary.outcome.exit_code)


def _of_the_run(name: str, summary: Summary) -> Iterator[Metric]:
    now = summary.status
    if now is None:
        return
    yield _gauge("records", "Finished records.", name, now.records)
    yield _gauge("target_records", "Records asked for.", name, now.target)
    yield _gauge("admitted_tasks", "Proposed tasks that entered the pool.", name, now.admitted)
    yield _gauge("refused", "Tasks, answers and instances refused, by reason.", name, now.refused, "reason")
    yield _counter("requests", "Requests to teachers, by outcome.", name, summary.requests, "outcome")
    yield _counter("tokens", "Tokens, by kind; cached ones are a part of the prompts'.", name, summary.tokens, "kind")
    if now.cost_usd is not None:
        yield _counter("cost_usd", "Dollars spent.", name, now.cost_usd)


def _kept(successes: Mapping[str, float]) -> Iterator[Metric]:
    for name, at in successes.items():
        yield _gauge(_SUCCESS.removeprefix("selfinstruct_"), "When a start last met its target.", name, at)


def _gauge(
    metric: str, says: str, run: str, value: float | Mapping[str, float] | Mapping[str, int], label: str | None = None
) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(f"selfinstruct_{metric}", says, labels=_labels(label)), run, value)


def _counter(metric: str, says: str, run: str, value: float | Mapping[str, int], label: str | None = None) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(f"selfinstruct_{metric}", says, labels=_labels(label)), run, value)


def _labels(label: str | None) -> list[str]:
    return ["run"] if label is None else ["run", label]


def _filled(family: Metric, run: str, value: float | Mapping[str, float] | Mapping[str, int]) -> Metric:
    if isinstance(value, Mapping):
        for name, count in value.items():
            family.add_metric([run, name], count)  # type: ignore[attr-defined]
    else:
        family.add_metric([run], value)  # type: ignore[attr-defined]
    return family


def _successes(path: Path) -> dict[str, float]:
    """When each run in the file last succeeded; nothing where there is no file, or another program's."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, IndexError):
        return {}
    samples = [sample for family in families for sample in family.samples if sample.name == _SUCCESS]
    return {sample.labels["run"]: sample.value for sample in samples if "run" in sample.labels}

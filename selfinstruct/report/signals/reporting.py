"""A run with its signals around it: what the command `generate` is, and `selfinstruct.reporting` from Python.

    with si.reporting(config, metrics_file="run.prom", notify_url="https://example.org/hook") as signals:
        signals.run = si.run(config, progress=signals.progress, on_exchange=signals.on_exchange)

Whatever ends the block, the metrics are written, the summary is posted and the traces are sent before it is left, and
the same error goes on. None of them ends a run: where one can't be delivered, that is a warning.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...config.run_config import RunConfig
from ...core.errors import SelfInstructError, UsageError
from ...core.events import Exchange, Progress
from ...journal.folder import Run
from .logs import JsonLines
from .metrics import check_metrics_file, write_metrics
from .notify import check_notify_url, post_summary
from .progress import Reporter
from .summary import Summary, summarise
from .traces import Tracer, trace_run

FORMS = ("auto", "text", "json")


class Signals:
    """The signals of one start. Put the run that comes back into `run`; without it only the error is told.

    log_format: 'auto' (a bar on a terminal), 'text', 'json' (a JSON object a line) or None, which shows nothing.
    metrics_file: *.prom for Prometheus' textfile collector. notify_url: where the summary is posted.
    skip_code: whether nothing to do is told as code 99. say: takes warnings, a line each.
    Raises UsageError where a signal could never be given.
    """

    def __init__(
        self,
        *,
        log_format: str | None = None,
        metrics_file: str | Path | None = None,
        notify_url: str | None = None,
        skip_code: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if log_format is not None and log_format not in FORMS:
            raise UsageError(f"--log-format {log_format}: one of {', '.join(FORMS)}")
        self._metrics_file = None if metrics_file is None else Path(metrics_file)
        self._notify_url, self._skip_code = notify_url, skip_code
        if self._metrics_file is not None:
            check_metrics_file(self._metrics_file)
        if notify_url is not None:
            check_notify_url(notify_url)
        self.began_at = time.time()
        self.run: Run | None = None
        self.reporter = None if log_format is None else Reporter(log_format)
        self._lines = JsonLines() if log_format == "json" else None
        self._say = say or (self._lines.say if self._lines else lambda line: None)
        self._config: RunConfig | None = None
        self._tracer: Tracer | None = None
        self._forbidden = False

    def about(self, config: RunConfig) -> None:
        """Say which run it is about. Raises ConfigError where its `egress` forbids the notification."""
        self._config = config
        if self._notify_url is not None:
            self._forbidden = True
            check_notify_url(self._notify_url, config.egress)
            self._forbidden = False
        self._tracer, warning = trace_run(config)
        if warning is not None:
            self._say(f"warning: {warning}")
        if self._lines is not None:
            teachers = [each.label for each in config.all_teachers]
            self._lines.write("start", run_dir=config.run_dir, target=config.target, teachers=teachers)

    def progress(self, progress: Progress) -> None:
        """For `run(progress=...)`: shows where it stands, at a bounded rate."""
        if self.reporter is not None:
            self.reporter(progress)

    def on_exchange(self, exchange: Exchange) -> None:
        """For `run(on_exchange=...)`: a span for the question, where traces are on."""
        if self._tracer is not None:
            with contextlib.suppress(Exception):  # a span is worth no run
                self._tracer(exchange)

    @property
    def exit_code(self) -> int:
        """What a process ends with after this run."""
        assert self.run is not None
        return 99 if self.run.idle and self._skip_code else self.run.outcome.exit_code

    def end(self, error: BaseException | None) -> None:
        """Give every signal. error: what ended the block, where the run didn't come back."""
        if self.reporter is not None:
            self.reporter.close()
        folder = None if self._config is None else Path(self._config.run_dir)
        if error is None and self.run is not None:
            summary = summarise(folder or self.run.path, self.began_at, self.run, self.exit_code)
        elif error is not None:
            summary = summarise(folder, self.began_at, error)
        else:
            return
        for what, give in (("traces", self._end_traces), ("metrics", self._write_metrics), ("notice", self._notify)):
            try:
                give(summary)
            except Exception as failure:  # whatever it is, a signal ends no run
                said = str(failure) if isinstance(failure, SelfInstructError) else type(failure).__name__
                self._say(f"warning: no {what}: {said}")
        if self._lines is not None:
            level = "error" if error is not None else "warning" if summary.outcome.exit_code == 3 else "info"
            self._lines.write("outcome", level, **summary.fields())

    def _end_traces(self, summary: Summary) -> None:
        if self._tracer is not None and (warning := self._tracer.close(summary)) is not None:
            self._say(f"warning: {warning}")

    def _write_metrics(self, summary: Summary) -> None:
        if self._metrics_file is not None:
            write_metrics(self._metrics_file, summary)

    def _notify(self, summary: Summary) -> None:
        egress = "any" if self._config is None else self._config.egress
        if self._notify_url is None or self._forbidden:
            return
        failure = post_summary(self._notify_url, summary, direct=egress != "any")
        if failure is not None:
            self._say(f"warning: nobody was notified: {failure}")


@contextlib.contextmanager
def reporting(
    config: RunConfig | None = None,
    *,
    log_format: str | None = None,
    metrics_file: str | Path | None = None,
    notify_url: str | None = None,
    skip_code: bool = False,
    say: Callable[[str], None] | None = None,
) -> Iterator[Signals]:
    """Report on what runs inside the block; the arguments are those of `Signals`.

    config: of the run; None where it is still to be read, `signals.about(config)` says it then.
    """
    signals = Signals(
        log_format=log_format, metrics_file=metrics_file, notify_url=notify_url, skip_code=skip_code, say=say
    )
    try:
        if config is not None:
            signals.about(config)
        yield signals
    except BaseException as error:
        signals.end(error)
        raise
    signals.end(None)

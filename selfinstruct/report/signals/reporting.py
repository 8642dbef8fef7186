"""Report on a run with all signals; used by the command `generate`, and public as `selfinstruct.reporting`.

    with si.reporting(config, metrics_file="run.prom", notify_url="https://example.org/hook") as signals:
        signals.run = si.run(config, progress=signals.progress, on_exchange=signals.on_exchange)

However the block ends, it writes the metrics and posts the summary before it exits; an exception then propagates. A
signal that can't be delivered is only a warning.
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
from .summary import Summary, summarize

FORMS = ("auto", "text", "json")


class Signals:
    """The signals of one start. Assign the finished run to `run`.

    Args:
        log_format: 'auto' (a bar on a terminal), 'text', 'json' (one JSON object per line), or None for no output.
        metrics_file: A *.prom file for Prometheus' textfile collector.
        notify_url: Address to post the summary to.
        skip_code: Whether to use exit code 99 if there was nothing to do.
        say: Called with each warning, one line.

    Raises:
        UsageError: A signal could never be delivered.
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
            raise UsageError(f"--log-format {log_format}: unknown; choose one of {', '.join(FORMS)}")
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
        self._forbidden = False

    def about(self, config: RunConfig) -> None:
        """Set the configuration of the run. Raises ConfigError if its `egress` forbids the notification."""
        self._config = config
        if self._notify_url is not None:
            self._forbidden = True  # if the check raises, `end` must not post the error either
            check_notify_url(self._notify_url, config.egress)
            self._forbidden = False
        if self._lines is not None:
            teachers = [each.label for each in config.all_teachers]
            self._lines.write("start", run_dir=config.run_dir, target=config.target, teachers=teachers)

    def progress(self, progress: Progress) -> None:
        """Show progress at a bounded rate; pass this to `run(progress=...)`."""
        if self.reporter is not None:
            self.reporter(progress)

    def on_exchange(self, exchange: Exchange) -> None:
        """Record how long an answer took; pass this to `run(on_exchange=...)`."""
        if self.reporter is not None and exchange.completion is not None and not exchange.completion.failed:
            self.reporter.note_answer(exchange.latency_s)

    @property
    def exit_code(self) -> int:
        """The exit code of a process after this run."""
        assert self.run is not None
        return 99 if self.run.idle and self._skip_code else self.run.outcome.exit_code

    def end(self, error: BaseException | None) -> None:
        """Send all signals. error: the exception that ended the block, if any."""
        if self.reporter is not None:
            self.reporter.close()
        # Summarize the run, or the exception; without either, there is nothing to report.
        folder = None if self._config is None else Path(self._config.run_dir)
        if error is None and self.run is not None:
            summary = summarize(folder or self.run.path, self.began_at, self.run, self.exit_code)
        elif error is not None:
            summary = summarize(folder, self.began_at, error)
        else:
            return
        # Send each signal even if an earlier one failed.
        for what, send in (("metrics", self._write_metrics), ("notice", self._notify)):
            try:
                send(summary)
            except Exception as failure:  # a signal must not change how the run ended
                reason = str(failure) if isinstance(failure, SelfInstructError) else type(failure).__name__
                self._say(f"warning: no {what}: {reason}")
        if self._lines is not None:
            level = "error" if error is not None else "warning" if summary.outcome.exit_code == 3 else "info"
            self._lines.write("outcome", level, **summary.fields())

    def _write_metrics(self, summary: Summary) -> None:
        if self._metrics_file is not None:
            write_metrics(self._metrics_file, summary)

    def _notify(self, summary: Summary) -> None:
        egress = "any" if self._config is None else self._config.egress
        if self._notify_url is None or self._forbidden:
            return
        failure = post_summary(self._notify_url, summary, direct=egress != "any")
        if failure is not None:
            self._say(f"warning: the notification failed: {failure}")


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
    """Report on the run inside the block.

    Args:
        config: Configuration of the run, or None to pass it to `signals.about` once it is loaded.
        log_format, metrics_file, notify_url, skip_code, say: See `Signals`.
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

"""A span for every question, with the attribute names of OpenTelemetry's semantic conventions for generative AI.

The one room that imports `opentelemetry` (the extra 'otel'). It is on where `$OTEL_EXPORTER_OTLP_ENDPOINT` (or
`$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) names a collector, asked by OTLP over HTTP. Each question is a trace of its own,
linked to the span of the start that asked it: a run has too many of them for one trace, and a sampler can take a share.
Spans say which model, how long, how many tokens; never what was asked or answered.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...config.options import TeacherOptions
from ...config.run_config import RunConfig
from ...core.errors import ConfigError
from ...core.events import Exchange
from ...core.version import __version__
from ...teachers.egress import check_egress
from .logs import one_line

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from .summary import Summary

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CLOSING_S = 5.0
"""Seconds that the last spans are waited for."""


def endpoint() -> str | None:
    """The collector's address in the environment; None where there is none, or the SDK is told to keep still."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    return next((value for name in ENDPOINTS if (value := os.environ.get(name, "").strip())), None)


def trace_run(config: RunConfig) -> tuple[Tracer | None, str | None]:
    """Spans for a run of `config` where the environment names a collector, and a warning where it can't be told."""
    address = endpoint()
    if address is None:
        return None, None
    try:
        check_egress(config.egress, address, "traces: the collector at {}")
        return Tracer(config, _provider(direct=config.egress != "any")), None
    except ConfigError as error:
        return None, f"no traces: {error}"
    except ImportError:
        return None, "no traces: they need the extra 'otel': pip install 'selfinstruct[otel]'"
    except Exception as error:  # the SDK reads a dozen variables of the environment; what is wrong there ends no run
        return None, f"no traces: {type(error).__name__} from the OpenTelemetry SDK; check its $OTEL_ variables"


class Tracer:
    """Makes spans of exchanges. Whatever goes wrong in it is told once, at the end."""

    def __init__(self, config: RunConfig, provider: TracerProvider) -> None:
        from opentelemetry.trace import Link

        self._run = os.path.basename(os.path.abspath(config.run_dir))
        self._teachers = {each.label: _attributes_of(each) for each in config.all_teachers}
        self._provider, self._tracer = provider, provider.get_tracer("selfinstruct", __version__)
        self._complaints = _Complaints()
        self._start = self._tracer.start_span("selfinstruct generate", attributes={"selfinstruct.run": self._run})
        self._link = Link(self._start.get_span_context())

    def __call__(self, exchange: Exchange) -> None:
        """A span for a question that is over; its end is when the answer came."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        attributes = {
            "selfinstruct.run": self._run,
            **self._teachers.get(exchange.teacher, {}),
            **_attributes(exchange),
        }
        began_ns = int(exchange.asked_at * 1e9)
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {attributes.get('gen_ai.request.model', '')}".strip(),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=[self._link],
            start_time=began_ns,
        )
        if "error.type" in attributes:
            span.set_status(Status(StatusCode.ERROR))
        span.end(began_ns + int(exchange.latency_s * 1e9))

    def close(self, summary: Summary) -> str | None:
        """Send what is left, for some seconds at most; returns a warning where spans were lost."""
        from opentelemetry.trace import Status, StatusCode

        self._start.set_attributes(
            {"selfinstruct.outcome": summary.outcome.reason, "selfinstruct.exit_code": summary.outcome.exit_code}
        )
        if summary.outcome.exit_code:
            self._start.set_status(Status(StatusCode.ERROR))
        self._start.end(time.time_ns())
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSING_S)
        first = self._complaints.take()
        if closing.is_alive():
            first = first or f"the collector took none within {CLOSING_S:g} s"
        return None if first is None else f"traces: spans were lost ({first})"


class _Complaints(logging.Handler):
    """Keeps the first of what the SDK logs, in place of a line on the terminal for every attempt."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._first: str | None = None
        self._logger = logging.getLogger("opentelemetry")
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Whatever has a slash in it is an address or a part of one, which may hold a token, and is left out."""
        if self._first is None:
            self._first = one_line(re.sub(r"\S*/\S*", "[address]", record.getMessage()), 200)

    def take(self) -> str | None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
        return self._first


def _provider(direct: bool) -> TracerProvider:
    """What batches spans and sends them, as the environment says. direct: past the environment's proxies."""
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "selfinstruct"}
    resource = Resource.create({**named, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    session = requests.Session()
    session.trust_env = not direct
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session)))
    return provider


def _attributes_of(teacher: TeacherOptions) -> dict[str, str | int]:
    """What is the same for all questions to one teacher."""
    told: dict[str, str | int] = {"gen_ai.request.model": teacher.model, "selfinstruct.teacher": teacher.label}
    told["gen_ai.provider.name"] = "custom" if ":" in teacher.kind else teacher.kind
    if teacher.address is not None:
        parts = urlsplit(teacher.address)
        told["server.address"] = parts.hostname or ""
        told["server.port"] = parts.port or (443 if parts.scheme == "https" else 80)
    return told


def _attributes(exchange: Exchange) -> Mapping[str, Any]:
    """What one exchange adds; None stands for what isn't known and is left out."""
    prompt, completion = exchange.question.prompt, exchange.completion
    sampling = prompt.sampling
    told: dict[str, Any] = {
        "gen_ai.operation.name": "text_completion" if prompt.endpoint == "completions" else "chat",
        "gen_ai.output.type": "text" if prompt.schema is None else "json",
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "selfinstruct.purpose": prompt.purpose,
        "selfinstruct.question": exchange.question.key,
        "selfinstruct.cost_usd": exchange.cost_usd,
        "error.type": exchange.error,
    }
    if completion is not None:
        told |= {
            "gen_ai.response.model": completion.model or None,
            "gen_ai.usage.input_tokens": completion.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": completion.usage.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": completion.usage.cached_tokens or None,
        }
        if completion.failed:
            told["error.type"] = (completion.error or "failed").partition(":")[0]
        else:
            told["gen_ai.response.finish_reasons"] = [completion.finish_reason]
    return {name: value for name, value in told.items() if value is not None}

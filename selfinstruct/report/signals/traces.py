"""Record a span per question, with the attributes of OpenTelemetry's semantic conventions for generative AI.

This is the only module that imports `opentelemetry` (the extra 'traces'). Tracing is on if
`$OTEL_EXPORTER_OTLP_ENDPOINT` or `$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names a collector, which is reached by OTLP over
HTTP. Each question is a trace of its own, linked to the span of its start: a run has too many questions for one trace,
and a sampler can select some. Spans contain models, times, and token counts, but no prompts or answers.
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
"""Maximum time to wait for the last spans, in seconds."""


def endpoint() -> str | None:
    """Return the collector's address from the environment; None if unset, or if the SDK is disabled."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    return next((value for name in ENDPOINTS if (value := os.environ.get(name, "").strip())), None)


def trace_run(config: RunConfig) -> tuple[Tracer | None, str | None]:
    """Return a tracer if the environment names a collector, and a warning if tracing is impossible."""
    address = endpoint()
    if address is None:
        return None, None
    try:
        check_egress(config.egress, address, "traces: the collector at {}")
        return Tracer(config, _provider(direct=config.egress != "any")), None
    except ConfigError as error:
        return None, f"no traces: {error}"
    except ImportError:
        return None, "no traces: they need the extra 'traces': pip install 'selfinstruct[traces]'"
    except Exception as error:  # the SDK reads a dozen environment variables, and a wrong one must not end the run
        return None, f"no traces: {type(error).__name__} from the OpenTelemetry SDK; check its $OTEL_ variables"


class Tracer:
    """Records exchanges as spans. Failures of the SDK are collected, and `close` returns the first."""

    def __init__(self, config: RunConfig, provider: TracerProvider) -> None:
        from opentelemetry.trace import Link

        self._run = os.path.basename(os.path.abspath(config.run_dir))
        self._teachers = {each.label: _attributes_of(each) for each in config.all_teachers}
        self._provider, self._tracer = provider, provider.get_tracer("selfinstruct", __version__)
        self._first_warning = _FirstWarning()
        self._start = self._tracer.start_span("selfinstruct generate", attributes={"selfinstruct.run": self._run})
        self._link = Link(self._start.get_span_context())

    def __call__(self, exchange: Exchange) -> None:
        """Record the span of one exchange, after the fact."""
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
        """Send the remaining spans for at most `CLOSING_S` seconds; return a warning if spans were lost."""
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
        first = self._first_warning.take()
        if closing.is_alive():
            first = first or f"the collector did not respond within {CLOSING_S:g} s"
        return None if first is None else f"traces: spans were lost ({first})"


class _FirstWarning(logging.Handler):
    """Keeps the first warning of the SDK, instead of a line on the terminal per attempt."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._first: str | None = None
        self._logger = logging.getLogger("opentelemetry")
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._first is None:
            # A word with a slash may be an address with a token.
            self._first = one_line(re.sub(r"\S*/\S*", "[address]", record.getMessage()), 200)

    def take(self) -> str | None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
        return self._first


def _provider(direct: bool) -> TracerProvider:
    """Return a provider that sends spans in batches. direct: whether to bypass the environment's proxies."""
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "selfinstruct"}
    resource = Resource.create({**named, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    session = requests.Session()
    # `requests` reads proxies from the environment if it trusts the environment.
    session.trust_env = not direct
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session)))
    return provider


def _attributes_of(teacher: TeacherOptions) -> dict[str, str | int]:
    shared: dict[str, str | int] = {"gen_ai.request.model": teacher.model, "selfinstruct.teacher": teacher.label}
    shared["gen_ai.provider.name"] = "custom" if ":" in teacher.kind else teacher.kind  # 'package.module:Name'
    if teacher.address is not None:
        parts = urlsplit(teacher.address)
        shared["server.address"] = parts.hostname or ""
        shared["server.port"] = parts.port or (443 if parts.scheme == "https" else 80)
    return shared


def _attributes(exchange: Exchange) -> Mapping[str, Any]:
    prompt, completion = exchange.question.prompt, exchange.completion
    sampling = prompt.sampling
    # The request.
    attributes: dict[str, Any] = {
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
    # The response, if there is one.
    if completion is not None:
        attributes |= {
            "gen_ai.response.model": completion.model or None,
            "gen_ai.usage.input_tokens": completion.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": completion.usage.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": completion.usage.cached_tokens or None,
        }
        if completion.failed:
            attributes["error.type"] = (completion.error or "failed").partition(":")[0]
        else:
            attributes["gen_ai.response.finish_reasons"] = [completion.finish_reason]
    return {name: value for name, value in attributes.items() if value is not None}

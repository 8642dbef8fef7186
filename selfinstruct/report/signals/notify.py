"""A summary posted as JSON when a start has ended, however it ended.

Over https, or to this machine. One attempt, bounded in time and size; no redirect is followed; what the other side
answers is not read. It never raises for what the other side does, and the address, which may hold a token, is never
repeated.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import UsageError
from ...core.version import __version__
from ...teachers.egress import check_egress, on_this_machine
from .summary import Summary

TIMEOUT_S = 10.0
"""Seconds that a notification may take, looking up the host and all."""


def check_notify_url(url: str, egress: str | Sequence[str] = "any") -> None:
    """Raises UsageError where nothing may be posted to `url`: not https, not this machine, or against `egress`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError("--notify-url: must be an address such as https://example.org/hook")
    if parts.username or parts.password:
        raise UsageError("--notify-url: must hold no user or password; a token goes into its path or query")
    if parts.scheme == "http" and not on_this_machine(host):
        raise UsageError(f"--notify-url: {host} would be told in clear; use https (http is for this machine only)")
    check_egress(egress, url, "--notify-url: {}")


def post_summary(url: str, summary: Summary, *, direct: bool = False) -> str | None:
    """Post it; returns why that failed in one line without the address, or None. direct: never through a proxy."""
    body = json.dumps(payload(summary)).encode()
    headers = {"content-type": "application/json", "user-agent": f"selfinstruct/{__version__}"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the scheme is checked
    failure = [f"no answer within {TIMEOUT_S:g} s"]
    posting = threading.Thread(target=_post, args=(request, direct, failure), daemon=True)
    posting.start()
    posting.join(TIMEOUT_S)
    return failure[0] or None


def payload(summary: Summary) -> dict[str, Any]:
    """What is posted. `text` is the line that chat services show; counts are of the whole run."""
    return {
        "event": "selfinstruct.ended",
        "text": f"selfinstruct {summary.run}: {summary.outcome.reason}, {summary.detail}"[:300],
        "version": __version__,
        "began_at": datetime.fromtimestamp(summary.began_at, UTC).isoformat(timespec="seconds"),
        **summary.fields(),
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the redirect is an error then, which says its code."""


def _post(request: urllib.request.Request, direct: bool, failure: list[str]) -> None:
    """Runs in a thread of its own; `failure` holds one line, emptied on success."""
    without = direct or on_this_machine(urlsplit(request.full_url).hostname or "")
    proxies = urllib.request.ProxyHandler({} if without else None)
    try:
        opener = urllib.request.build_opener(proxies, _NoRedirect)
        with opener.open(request, timeout=TIMEOUT_S):
            failure[0] = ""
    except urllib.error.HTTPError as error:
        elsewhere = ", a redirect, which is not followed" if 300 <= error.code < 400 else ""
        failure[0] = f"it answered {error.code}{elsewhere}"
        error.close()
    except Exception as error:  # whatever sockets, TLS and HTTP may raise: a notification ends no run
        reason = getattr(error, "reason", None)
        failure[0] = type(reason if isinstance(reason, BaseException) else error).__name__

"""Post a summary as JSON at the end of a start, for `--notify-url`.

The module posts over https, or to this machine, in one attempt of bounded time. It follows no redirects, ignores the
body of the response, and never raises for a failure of the server. No message repeats the address, which may contain a
token.
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
"""Maximum duration of a notification in seconds, including the DNS lookup."""


def check_notify_url(url: str, egress: str | Sequence[str] = "any") -> None:
    """Raise UsageError unless `url` is https or this machine, and `egress` allows it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError("--notify-url: must be an address such as https://example.org/hook")
    if parts.username or parts.password:
        raise UsageError("--notify-url: must not contain a user or password; put a token into the path or query")
    if parts.scheme == "http" and not on_this_machine(host):
        raise UsageError(f"--notify-url: http to {host} is not encrypted; use https (http is for this machine only)")
    check_egress(egress, url, "--notify-url: {}")


def post_summary(url: str, summary: Summary, *, direct: bool = False) -> str | None:
    """Post a summary, and return why that failed in one line, or None. direct: whether to bypass proxies."""
    body = json.dumps(payload(summary)).encode()
    headers = {"content-type": "application/json", "user-agent": f"selfinstruct/{__version__}"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the scheme is checked
    # The timeout of urllib applies to each socket operation, so a thread bounds the whole.
    failure = [f"no response within {TIMEOUT_S:g} s"]
    posting = threading.Thread(target=_post, args=(request, direct, failure), daemon=True)
    posting.start()
    posting.join(TIMEOUT_S)
    return failure[0] or None


def payload(summary: Summary) -> dict[str, Any]:
    """Return the JSON body. Chat services show `text`; counts are totals over all starts of the run."""
    return {
        "event": "selfinstruct.ended",
        "text": f"selfinstruct {summary.run}: {summary.outcome.reason}, {summary.detail}"[:300],
        "version": __version__,
        "began_at": datetime.fromtimestamp(summary.began_at, UTC).isoformat(timespec="seconds"),
        **summary.fields(),
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None, so that urllib raises an HTTPError with the code of the redirect."""


def _post(request: urllib.request.Request, direct: bool, failure: list[str]) -> None:
    """Send the request, in a thread; set `failure[0]` to the reason of a failure, or to '' on success."""
    bypass = direct or on_this_machine(urlsplit(request.full_url).hostname or "")
    proxies = urllib.request.ProxyHandler({} if bypass else None)
    try:
        opener = urllib.request.build_opener(proxies, _NoRedirect)
        with opener.open(request, timeout=TIMEOUT_S):
            failure[0] = ""
    except urllib.error.HTTPError as error:
        redirect = ", a redirect, which is not followed" if 300 <= error.code < 400 else ""
        failure[0] = f"the server answered {error.code}{redirect}"
        error.close()
    except Exception as error:  # sockets, TLS and HTTP raise many types, and none may end the run
        reason = getattr(error, "reason", None)
        failure[0] = type(reason if isinstance(reason, BaseException) else error).__name__

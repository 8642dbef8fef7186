"""Reads errors in the shapes that servers use, and decides what each asks for: to wait, to try again, or to stop.

The transport applies it to every response, the batch teacher to every row of a job. An error may also come with
status 200, with a status that means something else, or as JSON text inside another error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEPTH = 6
_CODES = "code status statuscode type errorcode errortype errcode reason quotaid".split()
_TEXTS = """error errors detail message msg errormsg errormessage errmsg statusmsg faultstring title description param
    loc fault response header baseresp metadata raw innererror cause""".split()
# 'try again in 1.2s', 'Please retry in 2m38.9s.', 'please retry after 7 seconds'
_RETRY = re.compile(r"(?:try again|retry)(?: after| in)? (?:(\d[\d.hms]{0,20}[smh])\b|(\d{1,6}) sec)", re.IGNORECASE)
# 'Error code: 429 - ...', 'upstream status 503'
_WRITTEN = re.compile(r"\b(?:error code|status(?: code)?|http)\W{0,3}([45][0-9][0-9])\b", re.IGNORECASE)
_QUOTA = re.compile(
    r"""insufficient[\s_]+(?:\w+[\s_]+){0,2}(?:quota|balance|credit|fund)|(?:balance|credits?)\s(?:\w+\s){0,3}
        (?:insufficient|too\slow|exhausted|used\sup)|not_?enough_?(?:balance|credit)|(?:out\sof|no|more)\scredits?\b
        |credit\slimit|(?:used|run\sout\sof|exhausted|included|exceeded)\s(?:\w+\s){0,3}credits|payment[\s_]required
        |billing_\w+|billing\s(?:hard\slimit|details\sto|is\snot|account)|enter\sbilling|overdue|arrearage|past\sdue
        |unpaid|spend(?:ing)?[\s_-]limit|(?:account|subscription)\s(?:\S+\s){0,3}(?:suspended|deactivated|disabled)
        |access_terminated|exceeded_current_quota|recharge|top\sup\b|余额不足|欠费|额度不足|余额已?用尽""",
    re.VERBOSE | re.IGNORECASE,
)
# OpenAI says so of a used-up account, and Gemini of a limit per minute, with the status RESOURCE_EXHAUSTED.
_QUOTA_OR_PACE = re.compile("exceeded your current quota", re.IGNORECASE)
_PACE = re.compile("resource_exhausted|rate_limit", re.IGNORECASE)
# 'limited to 1000 API calls / month', 'free-models-per-day', 'GenerateRequestsPerDayPerProject'; no wait is that long.
_LONG = re.compile(r"(?:/|per|each)[\s_-]*(?:day|month)|daily|monthly|24 hours", re.IGNORECASE)
_SHORT = re.compile(r"(?:/|per|each)[\s_-]*(?:min|sec|hour)|hourly", re.IGNORECASE)
# The whole body with status 200: 'Service Unavailable', or '<title>example.com | 524: A timeout occurred</title>'.
_PHRASE = re.compile(
    r"""(?:^|\||\b(?:error|status|http)\b)\W{0,3}(?:code\W{0,3})?([45][0-9][0-9])\b|too\smany\srequests|bad\sgateway
        |service\s(?:is\s)?(?:temporarily\s)?unavailable|internal\sserver\serror|(?:gateway|request)\stime-?out
        |^(?:not\sfound|forbidden|unauthorized)\W*$|upstream\s(?:connect\serror|request\stimeout)|healthy\supstream""",
    re.VERBOSE | re.IGNORECASE,
)
# '<Error><Code>SlowDown</Code></Error>'
_SLOW = re.compile(r"rate.?limit|too.?many.?requests|slow.?down|throttl", re.IGNORECASE)
_BRIEF = 400
"""Characters of a body that is text. A longer one, such as a page, may speak of rate limits for other reasons."""
_TITLE = re.compile(r"<(title|h1)\b[^<>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_FINE = re.compile(r"success(?:ful(?:ly)?)?|succeeded|ok|成功", re.IGNORECASE)
_FILTER = re.compile(r"content_?(?:filter|policy)|responsible_?ai|data_?inspection|\bsensitive\b", re.IGNORECASE)
# Numbers of Z.AI (113x, 130x) and MiniMax (10xx) that no text explains.
_NUMBERS = {"1113": 402, "1302": 429, "1303": 429, "1305": 429, "1002": 429, "1039": 429, "1004": 401, "1008": 402}
# The status that a name or a sentence means; the first match counts.
_NAMED = [
    (status, re.compile(pattern, re.IGNORECASE))
    for status, pattern in (
        (429, r"rate.?limit|slow.?down|too.?many.?requests|resource.?exhausted|throttl|request.?limit|concurrency"),
        (503, r"overload|unavailable|capacity|busy|loading.?model|model.?loading|not.?ready"),
        (504, r"time[d_-]?.?out|deadline"),
        (401, r"invalid.?api.?key|incorrect.?api.?key|unauthori[sz]ed|unauthenticated|authentication"),
        (403, r"permission|(?<!extra_)forbidden|access.?denied"),
        (404, r"not_?found_?error|no.?such.?model|unexpected.?endpoint|unknown.?model|not_found\b"),
        (404, r"(?:model|endpoint|deployment|route|path|url)\b.{0,80}(?:not.?found|not.?exist)"),
        (400, r"invalid|bad.?request|unsupported|not.?supported|validation|extra_forbidden|context.?length|missing"),
        (500, r"internal.?server.?error"),
        (502, ""),
    )
]


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error that a server reports.

    status: the HTTP status to act on. It is what the body names if the response came with 200, and 402 for a used-up
    account. http_status: the status that the response came with, if that was an error's; otherwise the same.
    text: the first code and the sentences, such as 'rate_limit_exceeded: Slow down'; empty if the server gave none.
    is_filter: whether a content filter rejected the prompt. retry_after: a duration such as '1.2s', or None.
    """

    status: int
    http_status: int
    text: str
    is_filter: bool = False
    retry_after: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether no waiting and no retry resolves the error: the key, the account, or the address is wrong."""
        return self.status in (401, 402, 403, 404)


def read_error(http_status: int, body: object) -> ServerError | None:
    """Return the error in a response, or None if it is an answer. body: a decoded JSON value, or a text."""
    found, is_error = body, http_status >= 400
    if not is_error and isinstance(body, Mapping):
        # {"choices": [{...}], "error": null} is an answer. Beside choices, only "error" can make an error of it.
        is_error = bool(body.get("error") or body.get("errors"))
        found = body.get("error") if body.get("choices") else body
    elif isinstance(body, str) and not is_error:
        found = _read_text(body)
        is_error = found is not None
    said = list(_read(found, 0)) if is_error or not isinstance(body, str) else []
    codes = list(dict.fromkeys(each for is_code, each in said if is_code and each.lower() != "error"))
    sentences: dict[str, str] = {}  # by what two spellings of the same have in common
    for is_code, each in said:
        if not is_code and (is_error or not _FINE.fullmatch(each)):  # {"code": 0, "msg": "success", "data": null}
            sentences.setdefault(_letters(each), each)
    texts = list(sentences.values())
    numbers = [int(each) for each in codes if re.fullmatch("[45][0-9][0-9]", each)]
    words = [each for each in codes if not each.isdigit()]
    if not is_error and not (texts or numbers or _NUMBERS.keys() & set(codes)):
        return None

    # A used-up account is known by its words, and any other error by its status, or by what a body with 200 names.
    every = f"{' '.join(words)} {' '.join(texts)[:2000]}"
    status = next((_NUMBERS[each] for each in codes if each in _NUMBERS), 0)
    if status != 402 and http_status >= 400:
        # A gateway may answer 400 or 500 to what its upstream server answered with 429 or 503.
        upstream = next((each for each in numbers if each == 429 or each >= 500), 0)
        status = upstream if upstream and (http_status == 400 or http_status >= 500) else http_status
    elif not status:
        numbers += [int(each) for each in _WRITTEN.findall(every)]
        numbers = numbers or [next(number for number, pattern in _NAMED if pattern.search(every))]
        status = next((each for each in numbers if each < 500), numbers[0])
    is_long = status == 429 and _LONG.search(every) and not _SHORT.search(every)
    if is_long or _QUOTA.search(every) or (_QUOTA_OR_PACE.search(every) and not _PACE.search(every)):
        status = 402
    names = (each for each in (*words, *codes) if not re.fullmatch("[45][0-9][0-9]", each))
    code = next((each for each in names if _letters(each) not in sentences), "")
    whole = [text for key, text in sentences.items() if not any(key in other for other in sentences if other != key)]
    text = ": ".join(each for each in (code, "; ".join(whole[:3])) if each)
    is_filter = status in (400, 403, 422) and _FILTER.search(every) is not None
    retry = _RETRY.search(every)
    retry_after = retry and (f"{retry[2]}s" if retry[2] else retry[1])
    return ServerError(status, http_status if http_status >= 400 else status, text, is_filter, retry_after)


def _read_text(body: str) -> dict[str, str] | None:
    """{'code': '524', 'message': 'example.com | 524: A timeout occurred'} of a text or a page that names an error."""
    heads = [head[2] for head in _TITLE.finditer(body[:4000])] or [body][: len(body) <= _BRIEF]
    text = " | ".join(dict.fromkeys(" ".join(re.sub(r"<[^<>]*>", " ", head).split()) for head in heads))
    named = _PHRASE.search(text) or (len(body) <= _BRIEF and _SLOW.search(text))
    return {"code": named.group(1) if named.re is _PHRASE and named[1] else "", "message": text} if named else None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


def error_of(response: Any) -> ServerError:
    """The error that the transport has found in an HTTP response with an error status."""
    error: ServerError | None = response.extensions.get("error")
    return error or ServerError(response.status_code, response.status_code, "")


def _read(value: Any, depth: int) -> Iterator[tuple[bool, str]]:
    """Yield (True, code) and (False, sentence) for everything that an error says, the outermost first."""
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        # '{"error": {"code": 429, ...}}', or 'Upstream said: {"error": ...}'
        inner = _json_in(value)
        if inner is None or not value.lstrip().startswith(("{", "[")):
            yield False, " ".join(value[:2000].split())
        yield from _read(inner, depth + 1)
    elif isinstance(value, list):
        for item in value[:5]:
            yield from _read(item, depth + 1)
    elif isinstance(value, Mapping):
        fields = [(str(name).lower().replace("_", ""), item) for name, item in value.items()]
        for name, item in fields:
            if name in _CODES and isinstance(item, str | int) and not isinstance(item, bool) and item not in (0, ""):
                yield True, str(item)[:200]
        for name, item in fields:
            if name == "loc" and isinstance(item, list):  # FastAPI: {"loc": ["body", "top_p"], "msg": "..."}
                item = ".".join(map(str, item[:9]))
            if name in _TEXTS and item:
                yield from _read(item, depth + 1)
            elif name in ("details", "violations"):  # Gemini: [{"violations": [{"quotaId": "...PerDay..."}]}, ...]
                yield from (each for each in _read(item, depth + 1) if each[0])


def _json_in(text: str) -> object:
    """The first JSON object in a text, or None."""
    start = text.find("{")
    try:
        return json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return None

"""Reads what a server says about the tokens of an answer, in every shape in use.

Servers disagree on the place, on the names (`prompt_tokens`, `input_tokens`, `promptTokenCount`), on the type (12,
"12", null), and on what a number includes: some count reasoning or cached tokens inside the main numbers, some beside
them. This module takes the largest reading that fits the numbers. Some servers also state what the answer cost, with
fees that no price of tokens includes. `charge` in `counting` replaces what is missing or impossible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from ...core.prompts import Usage

_MOST = 1_000_000_000
"""A larger number is no count of one answer's tokens: the largest context is a hundredth of it."""

# Names without underscores, in lower case; the second of several is Gemini's.
_PROMPT = ("prompttokens", "prompttokencount", "inputtokens", "promptn")
_OUTPUT = ("completiontokens", "candidatestokencount", "outputtokens", "predictedn")
_TOTAL = ("totaltokens", "totaltokencount")
_CACHED = ("cachedtokens", "cachedcontenttokencount", "promptcachehittokens", "cachereadinputtokens", "cachen")
_BESIDE_PROMPT = (
    "cachereadinputtokens",
    "cachecreationinputtokens",
    "cachewriteinputtokens",
    "tooluseprompttokencount",
    "cachen",
)
"""Parts of the prompt that Anthropic, Bedrock, Gemini, and llama.cpp count beside the main number."""
_HIDDEN = ("reasoningtokens", "thoughtstokencount", "rejectedpredictiontokens", "audiotokens", "citationtokens")
"""Generated tokens that aren't in the text: xAI, Gemini, and Perplexity count some beside the main number."""
_USD = {
    "cost": 1.0,
    "totalcost": 1.0,
    "costusd": 1.0,
    "totalcostusd": 1.0,
    "estimatedcost": 1.0,
    "costinusdticks": 1e-10,
}
"""Dollars in one unit of a stated cost. OpenRouter, Perplexity, and DeepInfra state dollars, xAI ten billionths."""
_UPSTREAM = "upstreaminferencecost"
"""What OpenRouter's provider charges. If it is more than the cost, it is billed elsewhere, and the cost is a fee."""
_SIDES = {
    "prompttokensdetails": "prompt.",
    "inputtokensdetails": "prompt.",
    "completiontokensdetails": "output.",
    "outputtokensdetails": "output.",
}


def read_usage(body: Mapping[str, object]) -> Usage:
    """Return the tokens and dollars that a response body states. What it doesn't state is 0; see `Usage.partial`.

    Examples, each with 500 prompt and 12,400 generated tokens:
        {"usage": {"prompt_tokens": 500, "completion_tokens": 12400, "total_tokens": 12900}}
        {"usage": {"prompt_tokens": 500, "completion_tokens": 400, "total_tokens": 12900}}
        {"usage": {"input_tokens": "100", "cache_read_input_tokens": 400.0, "output_tokens": 12400}}
        {"usageMetadata": {"promptTokenCount": 500, "candidatesTokenCount": 400, "thoughtsTokenCount": 12000}}
    """
    numbers = _numbers(body)
    counts = {name: math.ceil(each) for name, each in numbers.items()}
    prompt, output, total = (_largest(counts, names) for names in (_PROMPT, _OUTPUT, _TOTAL))
    hidden = sum(max(counts.get(name, 0), counts.get(f"output.{name}", 0)) for name in _HIDDEN)
    cached = max(counts.get(f"{side}{name}", 0) for name in _CACHED for side in ("", "prompt."))

    # A total gives the part that is missing.
    if total is not None and output is None:
        output = max(total - (prompt or 0), 0) or None
    elif total is not None and prompt is None and output is not None:
        prompt = max(total - output, 0)

    # A part comes on top of the main number if it is larger, or if no total rules that out.
    if prompt is not None:
        beside = sum(counts.get(name, 0) for name in _BESIDE_PROMPT)
        beside = max(
            beside, *(each for name, each in counts.items() if name.startswith("prompt.") and each > prompt), 0
        )
        if total is None or beside > prompt or total - prompt - (output or 0) >= beside:
            prompt += beside
    if output is not None:
        if total is None or hidden > output:
            output += hidden
        # What the total has beyond both was generated: at xAI and Gemini, reasoning.
        output = max(output, (total or 0) - (prompt or 0))
    cost_usd = max((numbers.get(name, 0.0) * unit for name, unit in _USD.items()), default=0.0)
    upstream_usd = numbers.get(_UPSTREAM, 0.0)
    cost_usd += upstream_usd if upstream_usd > cost_usd else 0.0
    return Usage(prompt or 0, hidden if output is None else output, cached, output is None, cost_usd)


def _numbers(body: Mapping[str, object]) -> dict[str, float]:
    """Return the numbers by name, in lower case without underscores. Details have a prefix.

    {"usage": {"completion_tokens": 9, "completion_tokens_details": {"audio_tokens": 8}}} is {"completiontokens": 9,
    "output.audiotokens": 8}.
    """
    items = [(_plain(name), value) for usage in _places(body) for name, value in usage.items()]
    for name, value in items[:]:
        if isinstance(value, Mapping):
            side = _SIDES.get(name, "")
            items += [(side + _plain(detail), each) for detail, each in value.items()]
    numbers: dict[str, float] = {}
    for name, value in items:
        number = _number(value)
        if number is not None and (number <= _MOST or name in _USD):
            numbers[name] = max(number, numbers.get(name, 0))
    return numbers


def _places(body: Mapping[str, object]) -> Iterator[Mapping[object, object]]:
    """Yield every usage in a body: its own, and those of Groq ("x_groq") and Moonshot (in a choice).

    llama.cpp states its timings with each token of a stream, {"cache_n": 24, "prompt_n": 7, "predicted_n": 1}, and the
    usage only at its end.
    """
    timings = body.get("timings")
    if isinstance(timings, Mapping) and not body.get("usage"):
        yield timings
    choices = body.get("choices")
    for place in (body, body.get("x_groq"), *(choices if isinstance(choices, list) else ())):
        if isinstance(place, Mapping):
            for name in ("usage", "usageMetadata", "usage_metadata"):
                found = place.get(name)
                yield from (
                    each for each in (found if isinstance(found, list) else [found]) if isinstance(each, Mapping)
                )


def _plain(name: object) -> str:
    return str(name).replace("_", "").lower()


def _number(value: object) -> float | None:
    """A number from 0 on: 12, 12.0, "12", or "4,000"; None for anything that isn't one."""
    if isinstance(value, str) and len(value) <= 20:
        try:
            value = float(re.sub(r"(?<=\d)[,'\s](?=\d{3}(?!\d))", "", value))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST / min(_USD.values()):
        return None
    return value


def _largest(counts: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return max((counts[name] for name in names if name in counts), default=None)

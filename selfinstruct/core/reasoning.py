"""Separates the reasoning in a model's text from the answer after it.

The journal applies it to every answer that it hands out, so that strategies, the judge, and the probe see answers only.
A block of reasoning is one of `_FORMS`: an opening marker before the answer, and the closing marker that belongs to it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# 'think', 'thinking', 'think_fast', 'thought', 'thoughts', 'reasoning', 'longcat_think', 'seed:think'
_NAME = (
    r"(?:seed:|ant_?|longcat_|inner_)?"
    r"(?:think(?:ing|_fast(?:er)?)?|thoughts?|reasoning|reflection|scratchpad|monologue|analysis)"
)
_CHANNEL = r"(?:<\|start\|>assistant)?<\|channel\|>"
_MESSAGE = r"(?:[^\n]{0,60}?<\|message\|>)?"
_FINAL = rf"{_CHANNEL}final{_MESSAGE}"


class _Form(NamedTuple):
    """How a family of models marks reasoning. `opening` and `closing` are patterns.

    alone: whether a closing marker without an opening one ends reasoning that the chat template began.
    """

    opening: str
    closing: str
    alone: bool = True


_FORMS = (
    # <think>...</think>: DeepSeek, Qwen, GLM, Kimi K2, MiniMax, Nemotron, Phi, Hunyuan, Seed; <thought>: EXAONE,
    # Gemini. Some servers escape the tags for HTML.
    _Form(
        rf"(?:<|&lt;)\s?{_NAME}(?:\s[^<>]{{0,80}}?)?(?:>|&gt;)",
        rf"(?:<|&lt;)\s?[/\\]\s?{_NAME}\s?(?:>|&gt;)",
    ),
    _Form(rf"\[{_NAME}\]", rf"\[/{_NAME}\]"),  # Magistral
    _Form(rf"◁{_NAME}▷", rf"◁/{_NAME}▷"),  # Kimi
    # OpenThinker, Command A, Solar
    _Form(rf"<\|(?:begin_of_|start_)?{_NAME}(?:_start)?\|>", rf"<\|(?:(?:end_of_|end_|/){_NAME}|{_NAME}_end)\|>"),
    _Form(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    _Form(r"<\|im_start\|>think\b", r"<\|im_start\|>answer\b"),  # s1
    _Form(r"<unused94>(?:thought\b)?", r"<unused95>", alone=False),  # MedGemma
    # Open WebUI: <details type="reasoning" done="true">...</details>; others: <details><summary>Thoughts</summary>...
    _Form(
        r"<details(?:\s[^<>]{0,200}?type=[\"']reasoning[\"'][^<>]{0,200}>(?:\s{0,9}<summary>[^<>]{0,120}</summary>)?"
        r"|\s?[^<>]{0,80}>\s{0,9}<summary>[^<>\w]{0,9}(?:think|thought|reasoning)[^<>]{0,80}</summary>)",
        r"</details>",
        alone=False,
    ),
    _Form(r"```(?:think(?:ing)?|thoughts?|reasoning)[ \t]?\n", r"(?<=\n)```[ \t]{0,9}(?=\n|\Z)", alone=False),
    _Form(r"<\|?channel>(?:analysis|thought|commentary)\b", r"<channel\|>"),  # Gemma
    # gpt-oss: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>, also without the
    # special tokens: analysisWe need ...assistantfinal1. Plan ...
    _Form(rf"{_CHANNEL}(?:analysis|commentary)\b{_MESSAGE}", rf"{_FINAL}|<\|end\|>(?!\s*<\|start\|>)", alone=False),
    _Form(r"(?!)", _FINAL),
    _Form(r"(?-i:analysis(?=[A-Z]))", r"(?-i:assistantfinal)", alone=False),
    # Granite
    _Form(r"Here(?:'s| is) my thought process:", r"Here(?:'s| is) my response:", alone=False),
)
_ANY_OPENING = re.compile("|".join(f"({form.opening})" for form in _FORMS), re.IGNORECASE)
_CLOSINGS = [re.compile(form.closing, re.IGNORECASE) for form in _FORMS]
_ALONE = re.compile(
    "|".join(f"(?P<o{at}>{form.opening})|(?P<c{at}>{form.closing})" for at, form in enumerate(_FORMS) if form.alone),
    re.IGNORECASE,
)
# What may stand before reasoning without being an answer: blank lines, the role, or one short line such as 'Sure!',
# '**Thinking**', or a fence.
_ROLE = re.compile(r"(?:[\s\ufeff\u200b]|<\|(?:im_)?start\|>(?=assistant)|assistant\b)*+")
_PREAMBLE = re.compile(
    r"(?:```\w{0,10}|[#*_]{0,6}[ \t]?[^\W\d_][^\n\"`#*|:<>{}\[\]]{0,120}+[:*_]{0,4})[ \t]{0,20}\n\s*+"
)
# What may enclose the answer after the reasoning: <answer> (Hunyuan), <response> (ERNIE), <|begin_of_solution|> ...
_WRAPPER = re.compile(
    r"\s*(?:<(?P<tag>answer|response|output)>|<\|START_RESPONSE\|>|<\|begin_of_solution\|>"
    rf"|{_FINAL})",
    re.IGNORECASE,
)
_WRAPPER_END = re.compile(
    r"(?:</(?:answer|response|output)>|<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|(?:return|end)\|>)$", re.IGNORECASE
)
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*+")
# Text that starts like this has no reasoning before a closing marker: JSON, a code block.
_STRUCTURED = re.compile(r"\s*(?:\{|\[\s*[{\"\]]|```)")
_CLOSING_STARTS = (
    "</",
    "< /",
    "&lt;",
    "[/",
    "◁/",
    "|>",
)  # a cheap test, which spares most texts the search for `_ALONE`
_QUOTES = "`\"'“‘「"


def split_reasoning(text: str, *, prefilled: bool = False) -> tuple[str, str]:
    """Return the reasoning and the answer of a response; a response without reasoning is returned unchanged.

    Reasoning comes before the answer, in one or more blocks. A block without its closing marker extends to the end of
    the text. Markers inside the answer are content, and so are quoted ones.

    Args:
        text: A model's response.
        prefilled: Whether the model's responses begin inside reasoning, because the chat template opens the block. A
            response without a closing marker is then all reasoning.
    """
    reasoning, answer, _ = _split(text, prefilled)
    return reasoning, answer


def begins_inside(text: str) -> bool:
    """Return whether a response closes reasoning that it did not open: the chat template opened the block."""
    return _split(text, prefilled=False)[2]


def _split(text: str, prefilled: bool) -> tuple[str, str, bool]:
    """Return the reasoning, the answer, and whether the response began inside reasoning."""
    parts: list[str] = []
    at = 0
    # '<think>...</think>', repeated: the rest of the text begins at `at`.
    while opening := _opening(text, at):
        closing = _find_unquoted(_CLOSINGS[_form_of(opening)], text, opening.end())
        parts.append(_ROLE.sub("", text[at : opening.start()], count=1))
        parts.append(text[opening.end() : closing.start() if closing else len(text)])
        at = closing.end() if closing else len(text)
    # '...</think>': the text before it belongs to the reasoning, too.
    alone = _last_alone(text, at, prefilled)
    if alone:
        parts.append(text[at : alone.start()])
    elif prefilled and at == 0:
        parts.append(text)
    elif at == 0:
        return "", text, False
    answer = _unwrapped(text[alone.end() if alone else at :]) if alone or at else ""
    reasoning = "\n".join(part.strip() for part in parts if part.strip())
    return reasoning, answer, alone is not None and at == 0


def _opening(text: str, at: int) -> re.Match[str] | None:
    """Match an opening marker at `at`, or after a role or one short line of prose there."""
    start = _ROLE.match(text, at)
    at = start.end() if start else at
    found = _ANY_OPENING.match(text, at)
    if found is None and (preamble := _PREAMBLE.match(text, at)):
        found = _ANY_OPENING.match(text, preamble.end())
    return found


def _form_of(opening: re.Match[str]) -> int:
    return (opening.lastindex or 1) - 1


def _find_unquoted(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str] | None:
    return next((found for found in pattern.finditer(text, at) if text[found.start() - 1] not in _QUOTES), None)


def _last_alone(text: str, at: int, prefilled: bool) -> re.Match[str] | None:
    """Return the last closing marker from `at` on that has no opening one and ends a line, a sentence, or a block."""
    last, opened = None, [0] * len(_FORMS)
    if _STRUCTURED.match(text, at) or not any(mark[0] in text and mark in text for mark in _CLOSING_STARTS):
        return None
    for found in _ALONE.finditer(text, at):
        kind, form = (found.lastgroup or "o0")[0], int((found.lastgroup or "o0")[1:])
        if text[max(0, found.start() - 1)] in _QUOTES:
            continue
        if kind == "o":
            opened[form] += 1
        elif opened[form] and not prefilled:
            opened[form] -= 1
        elif prefilled or _ends_reasoning(text, found):
            last = found
    return last


def _ends_reasoning(text: str, closing: re.Match[str]) -> bool:
    """Return whether a closing marker ends reasoning, and isn't merely mentioned inside a sentence."""
    before = text[max(0, closing.start() - 80) : closing.start()]
    last = before.rstrip(" \t")[-1:]
    # 'so it is 4.</think>4' and 'so it is 4\n</think>', but not 'Explain the </think> tag'.
    return last in "\n.!?。！？…" or before.endswith(last) or text.startswith("\n\n", closing.end())


def _unwrapped(answer: str) -> str:
    """Remove blank lines before an answer, and the markers that enclose it."""
    wrapper = _WRAPPER.match(answer)
    if wrapper:
        answer = answer[wrapper.end() :].rstrip()
        end = _WRAPPER_END.search(answer, max(0, len(answer) - 40))
        answer = answer[: end.start()].rstrip() if end else answer
    blank = _BLANK_LINES.match(answer)
    return answer[blank.end() :] if blank else answer

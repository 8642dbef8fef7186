"""Markers of chat templates, which some servers leave in a model's text: '<|im_end|>', '[/INST]', '<eos>'.

A marker at the beginning or the end of a text is removed. A marker inside means that the text runs on into another
turn; the filters reject such a text.
"""

from __future__ import annotations

import regex

_NAME = r"[\w/.▁:-]{1,48}+"
_MARKER = "|".join(
    (
        # ChatML, Llama 3 and 4, Phi, Zephyr, Falcon, GLM, Granite, Command R, Kimi, gpt-oss, Qwen: '<|eot_id|>', and at
        # the end of a text also a part of it. DeepSeek and Hunyuan: '<｜end▁of▁sentence｜>'. EXAONE: '[|endofturn|]'.
        rf"<\|/?[A-Za-z]{_NAME}(?:\|>|\|?\s*+\Z)",
        rf"<｜{_NAME}(?:[ ]{_NAME}){{0,6}}(?:｜>|｜?\s*+\Z)",
        r"\[\|/?\w{2,24}\|\]",
        # Gemma, GLM, InternLM, SmolVLM, Seed, StarCoder, Nemotron, Baichuan
        r"<\|?(?:turn|channel|tool|tool_call|tool_response)\|?>(?<=\|>|<\|\w*+>)",
        r"</?\|?im_(?:start|end)\|?>|</?(?:start|end)_of_(?:turn|utterance|text|image)>|<begin_of_text>",
        r"<(?:[be]os|pad|unk|eo[adhpt]|sop|seed:[be]os|fim_\w{3,9}|(?:extra_id|reserved|SPECIAL|TOKENS_UNUSED)_\d{1,4})>",
        # Llama 2, Mistral, Kimi, GLM, MiniMax
        r"</?s>|<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|[BE]OS|[gs]MASK|e~)\]",
        r"\]~!?b\]?\[?|\[e~\[",
    )
)
_ANY = regex.compile(_MARKER)
# The role of a turn after a marker, as in '<|im_start|>assistant\n' and '<start_of_turn>model\n'.
_ROLE = regex.compile(r"\s*+(?:assistant|model|user|system)(?=[ \t]*+(?:\n|\Z))")


def find_markers(text: str) -> list[regex.Match[str]]:
    """Return the markers of a text in order. Pairs of '<s>' and '</s>' alone are HTML that strikes a text through."""
    if "<" not in text and "[" not in text and "]~" not in text:  # most texts
        return []
    markers = list(_ANY.finditer(text))
    is_html = text.count("<s>") == text.count("</s>") and all(marker[0] in ("<s>", "</s>") for marker in markers)
    return [] if is_html else markers


def trim_markers(text: str) -> str:
    """Return a text without the markers at its beginning and its end, and without blanks next to them."""
    markers = find_markers(text)
    if not markers:
        return text
    start, end = 0, len(text)
    for marker in reversed(markers):
        if text[marker.end() : end].strip():
            break
        end = marker.start()
    for marker in find_markers(text[:end]):
        before = text[start : marker.start()].strip()
        if before and (not start or before not in ("assistant", "model", "user", "system")):
            break
        start = marker.end()
    if start:
        role = _ROLE.match(text, start)
        start = role.end() if role else start
    return text[start:end].strip() if start or end < len(text) else text

"""Compare the sampled answers of an example in pairs, each pair in both orders; used instead of marks.

Judges prefer a position, mostly the first. Here an answer beats another one only if the judge prefers it in either
position, so a judge that looks at nothing but the position orders nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

from ...config.run_config import RunConfig
from ...core.choice import normalized
from ...core.language_tags import load_wording_file
from ...core.prompts import Ask, Completion, Message, Prompt, Sampling
from ...core.reasoning import split_reasoning
from ...core.records import Example, Response
from ...core.shipped import fill_in
from .read_marks import json_items, json_objects

Better = Literal["A", "B", "tie"]

SAMPLING = Sampling(temperature=0.0, max_tokens=300)
"""Default decoding parameters; the configuration's `judge` overrides them."""
SCHEMA: dict[str, Any] = {
    "title": "comparison",
    "type": "object",
    "properties": {"reason": {"type": "string"}, "better": {"type": "string", "enum": ["A", "B", "tie"]}},
    "required": ["reason", "better"],
    "additionalProperties": False,
}

_KEYS = (re.compile("better"), re.compile("(?:better|best|preferred)[_ ](?:answer|response)|winner|preference|verdict"))
# 'A', '"b"', '[[A]]', 'Answer A', 'B is better', 'tie', 'equally good', '回答A', '平局', 'Antwort B ist besser'
_ANSWER = "answer|response|assistant|option|antwort|réponse|respuesta"
_VALUE = (
    rf"\W*+(?:the\s++|die\s++|la\s++)?(?:(?:{_ANSWER})\W++|(?:回答|答え)\s*+)?"
    r"(?:(?P<one>[ab])|(?P<tie>tied?|a tie|draw|equal(?:ly good)?|neither|平局|一样好|相同"
    r"|unentschieden|gleich(?:wertig| gut)|égalité|à égalité|empate|引き分け|同じ(?:くらい)?|同等))"
    r"(?:\s++(?:is|wins)(?:\s++(?:the\s++)?(?:better|best|winner)(?:\s++(?:one|answer|response))?)?|\s*+[更较]好"
    r"|\s++(?:ist|est|es)\s++(?:die\s++|la\s++)?(?:besser|bessere|meilleure|mejor)|\s*+(?:の(?:ほう|方))?がよい)?\W*+"
)
_WHOLE = re.compile(_VALUE, re.IGNORECASE)
# 'Better: A', 'The winner is answer B.', '更好的是 A'; in broken JSON also '"better": "A"'
_STATED = re.compile(
    r"\W*+(?:(?:so|final)\W++)?(?:the\s++)?"
    r"(?:(?:better|best|winner|verdict|answer)(?:\s++(?:answer|response|one))?|[更较]好的?(?:回答)?"
    r"|(?:(?:die )?besser(?:e antwort)?|(?:la )?meilleure(?: réponse)?|(?:la )?mejor(?: respuesta)?|よい(?:ほう|答え)))"
    rf"(?:\s++(?:is|ist|est|es)|\s*+[是为は])?[\s:：*\"']++{_VALUE}",
    re.IGNORECASE,
)
_QUOTED = re.compile(rf"[\"']better[\"']\s*+:\s*+[\"']{_VALUE}$", re.IGNORECASE)


class PairwiseJudge:
    """Compares the answers of an example that passed every check.

    by_schema: whether to request the comparison by a JSON schema.
    """

    def __init__(self, config: RunConfig, *, by_schema: bool) -> None:
        self._words, self._version = load_wording_file(
            __package__, "compare.yaml", config.language, config.answer_languages
        )
        self.by_schema = by_schema
        self._sampling = SAMPLING if config.judge is None else config.judge.over(SAMPLING)

    def prompt(self, example: Example, first: Response, second: Response) -> Prompt:
        """Return the prompt that shows two answers to an example, `first` as answer A."""
        words = self._words
        question = example.messages[0].content.strip()
        if len(example.messages) > 1:
            question = "\n\n".join(words[each.role] + each.content.strip() for each in example.messages)
        texts = {"question": question, "first": first.text.strip(), "second": second.text.strip()}
        return Prompt(
            purpose="judge",
            messages=(Message("system", words["system"]), Message("user", fill_in(words["task"], texts))),
            sampling=self._sampling,
            version=self._version,
            schema=SCHEMA if self.by_schema else None,
        )

    async def compare(self, example: Example, ask: Ask) -> tuple[Response, ...]:
        """Return the responses of an example, in the same order, each with the samples that it beats.

        For n responses that passed their checks, this sends n (n - 1) / 2 to n (n - 1) requests: the second order of a
        pair is asked only if the first one has a winner. Responses with the same text are not compared.

        Args:
            example: The question and its responses; their sample numbers must differ.
            ask: Sends a prompt to the judge.
        """
        rivals = [each for each in example.responses if each.passed and each.text.strip()]
        pairs = [pair for pair in combinations(rivals, 2) if normalized(pair[0].text) != normalized(pair[1].text)]

        async def ask_all(shown: Sequence[tuple[Response, Response]]) -> list[Response | None]:
            # All at once, but in a fixed order, so that the questions of a task have one order, too.
            answers = await asyncio.gather(*(ask(self.prompt(example, *pair)) for pair in shown))
            picks = map(read_comparison, answers)
            return [dict(zip("AB", pair, strict=True)).get(pick or "") for pair, pick in zip(shown, picks, strict=True)]

        first = await ask_all(pairs)
        decided = [(pair, winner) for pair, winner in zip(pairs, first, strict=True) if winner is not None]
        second = await ask_all([(other, one) for (one, other), _ in decided])
        beats: dict[int, list[int]] = {}
        for ((one, other), winner), again in zip(decided, second, strict=True):
            if winner is again:
                beats.setdefault(winner.sample, []).append((other if winner is one else one).sample)
        return tuple(replace(each, beats=tuple(sorted(beats.get(each.sample, ())))) for each in example.responses)


def read_comparison(completion: Completion) -> Better | None:
    """Read which of two answers a judge prefers, from its JSON, or from its text if there is none; None if unclear."""
    text = split_reasoning(completion.text)[1].strip()  # the reasoning may state a preference and drop it
    if completion.error is not None:
        return None
    objects = list(json_objects(text))
    if objects:
        items = [(key.strip().lower(), value) for each in objects for key, value in json_items(each)]
        named = [[value for key, value in items if names.fullmatch(key)] for names in _KEYS]
        values = named[0] or named[1]
        said = {_better(_WHOLE.fullmatch(value) if isinstance(value, str) else None) for value in values}
    elif completion.truncated:
        return None  # a draft, perhaps
    elif match := _WHOLE.fullmatch(text):
        return _better(match)
    else:
        said = {_better(match) for line in text.splitlines() if (match := _in_line(line.strip()))}
    return said.pop() if len(said) == 1 else None


def _in_line(line: str) -> re.Match[str] | None:
    # A single letter in a line of its own may belong to a list.
    return _STATED.fullmatch(line) or _QUOTED.search(line) or (_WHOLE.fullmatch(line) if len(line) > 2 else None)


def _better(match: re.Match[str] | None) -> Better | None:
    if match is None:
        return None
    return "tie" if match["tie"] else "A" if match["one"] in "aA" else "B"


def comparison_digest(config: RunConfig) -> str:
    """Return the version of the wording, which is part of every prompt and of the config digest."""
    return load_wording_file(__package__, "compare.yaml", config.language, config.answer_languages).digest

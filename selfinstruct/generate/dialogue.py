"""From a first exchange to a dialogue: plan the user's turns, then alternate between a user side and the assistant.

    simulator = UserSimulator(language)
    dialogue = await converse(example, turns, draw, ask, respond, simulator)

One request plans the user's turns for intents that `draw` chooses. Then each turn takes a request for the user's
message, which sees the conversation and the plan, and `respond` for the answer, which sees the conversation alone. The
result depends on the answers and on `draw` only. A dialogue ends early, at its last good turn, instead of failing.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import regex

from ..core.chat_markers import find_markers, trim_markers
from ..core.language_tags import load_wording_file, wording_file
from ..core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ..core.records import Example
from ..core.shipped import fill_in, shipped_yaml
from ..core.tasks import Verdict, storable
from ..core.tokens import tokenize
from ..strategies.reading.lists import read_list, without_quotes

SAMPLING = Sampling(temperature=1.0, max_tokens=400)
"""Decoding parameters of the plan and of the user's messages."""

Respond = Callable[[tuple[Message, ...]], Awaitable[Example | Verdict]]

_FILE = "dialogue.yaml"
_BY_CHAT = Asking()
_RECENT = 3
"""An intent doesn't return within this number of turns."""
_LONGEST_FAREWELL, _EDGE = 300, 400  # characters
# What separates the parts of a farewell: 'That's all, bye' -> 'That's all', 'bye'. Symbols include emoji.
_BETWEEN = regex.compile(r"[^\w'’ ]++")
_QUESTION = regex.compile("[?？؟]")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue. ended: why it has fewer turns than planned, as 'reason: detail', or None."""

    example: Example
    ended: str | None = None


class UserSimulator:
    """Prompts and reads the model that plays the user. The assistant's side never sees what it is told.

    Args:
        language: Language of the wording; the user's messages are in the language of the conversation.
        asking: How to ask the teachers for the plan and for the user's messages.
    """

    def __init__(self, language: str = "en", asking: Asking = _BY_CHAT) -> None:
        self._words, self._version = load_wording_file(__package__, _FILE, language)
        self._source = wording_file(_FILE, language)
        self._asking, self._intents = asking, self._words["intents"]

    def draw_intents(self, count: int, draw: random.Random) -> list[str]:
        """Return an intent for each user turn after the first; only later ones have something to refer back to."""
        drawn: list[str] = []
        for _ in range(count):
            others = [each for each in self._intents if each not in (drawn[-_RECENT:] or ["refer_back"])]
            drawn.append(draw.choice(others))
        return drawn

    def plan(self, conversation: Sequence[Message], intents: Sequence[str]) -> Prompt:
        """Return the prompt for a note about each of the next user turns."""
        lines = (self._fill("item", number=str(at), intent=self._intents[each]) for at, each in enumerate(intents, 1))
        # A text ends in '1.' and stops at the number after the last turn.
        stop = (f"\n{len(intents) + 1}.", "\n\n")
        return self._prompt("plan", conversation, stop, intents="".join(lines))

    def read_plan(self, completion: Completion, count: int) -> list[str]:
        """Return at most `count` notes in order."""
        return read_list(completion.text, continues=self._asking.plan == "completions").items[:count]

    def ask_turn(self, conversation: Sequence[Message], intent: str, note: str) -> Prompt:
        """Return the prompt for the user's next message. note: what the plan says about it; may be empty."""
        about = self._intents[intent]
        # '\nAssistant:' ends a text that continues with the answer.
        stop = tuple(f"\n{self._words[role]}" for role in ("assistant", "user"))
        return self._prompt("user", conversation, stop, plan=f"{about} ({note})" if note else about)

    def read_turn(self, completion: Completion, conversation: Sequence[Message]) -> tuple[str, str | None]:
        """Read a user's message.

        Args:
            completion: The answer to `ask_turn`.
            conversation: The messages so far.

        Returns:
            The message, and None; or '' and why the dialogue ends before it, as 'reason: detail'.
        """
        if completion.error is not None:
            return "", completion.error
        text = _own_words(storable(trim_markers(completion.text)), self._source)
        reason = self._objection(text, completion.truncated, conversation)
        return ("", f"{reason}: {' '.join(text.split())[:80]}".strip(": ")) if reason else (text, None)

    def _objection(self, text: str, truncated: bool, conversation: Sequence[Message]) -> str | None:
        said = tokenize(text)
        # Only the edges are read, because the patterns take quadratic time on a hostile text.
        edges = text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]} ... {text[-_EDGE:]}"
        edges = edges.replace("’", "'")
        if _pattern("end").search(edges) or is_farewell(text):
            return "nothing_left"
        if not said:
            return "empty_turn"
        if truncated:
            return "turn_cut_off"
        if find_markers(text) or _pattern("assistant_voice", self._source).search(edges):
            return "not_the_user"
        if any(said == tokenize(message.content) for message in conversation):
            return "repeated_turn"
        return None

    def transcript(self, conversation: Sequence[Message]) -> str:
        """Return the messages as text with a label before each: 'User: ...', a blank line, 'Assistant: ...'."""
        words = self._words
        return "".join(self._fill("said", role=words[each.role], text=each.content.strip()) for each in conversation)

    def cue(self, conversation: Sequence[Message]) -> tuple[str, str]:
        """Return a conversation as a text that ends in 'Assistant:', and the stop sequence after the answer."""
        text = self._fill("answer_text", conversation=self.transcript(conversation)).rstrip()
        return text, f"\n{self._words['user']}"

    def _prompt(self, step: str, conversation: Sequence[Message], stop: tuple[str, ...], **values: str) -> Prompt:
        values["conversation"] = self.transcript(conversation)
        messages: tuple[Message, ...] = (Message("system", self._words[f"{step}_system"]),)
        sampling, endpoint = SAMPLING, self._asking.endpoint(step)
        if endpoint == "completions":
            # A model continues a text better if it doesn't end in a blank.
            messages = (Message("user", self._fill(f"{step}_text", **values).rstrip()),)
            sampling = replace(sampling, stop=stop)
        else:
            messages += (Message("user", self._fill(f"{step}_ask", **values)),)
        return Prompt(step, messages, sampling, endpoint, version=self._version)

    def _fill(self, key: str, **values: str) -> str:
        return fill_in(self._words[key], values)


async def converse(
    example: Example,
    turns: int,
    draw: random.Random,
    ask: Ask,
    respond: Respond,
    simulator: UserSimulator,
) -> Dialogue:
    """Continue a first exchange until it has `turns` user turns, or the user has nothing left to ask.

    Args:
        example: The first turn, with an answer.
        turns: Wanted number of user turns; at least 2.
        draw: Chooses the intents; seeded by the run's seed and the task's place.
        ask: Sends a prompt of the user side.
        respond: Answers a conversation, which ends with the user's message, or says why no answer passed the checks.
        simulator: The user side.

    Returns:
        The longest good dialogue: all messages before the last answer, and the responses of that answer.
    """
    intents = simulator.draw_intents(turns - 1, draw)
    conversation = (*example.messages, Message("assistant", example.output))
    answer = await ask(simulator.plan(conversation, intents))
    if answer.error is not None:
        return Dialogue(example, answer.error)
    notes = simulator.read_plan(answer, len(intents))

    for at, intent in enumerate(intents):
        # Without a note, because the list was short or unreadable, the intent alone says what to ask.
        prompt = simulator.ask_turn(conversation, intent, notes[at] if at < len(notes) else "")
        text, ended = simulator.read_turn(await ask(prompt), conversation)
        if ended is not None:
            return Dialogue(example, ended)
        longer = await respond((*conversation, Message("user", text)))
        if isinstance(longer, Verdict):
            return Dialogue(example, f"{longer.reason}: {longer.detail}".removesuffix(": "))
        # The input field belongs to the first turn, which the messages contain.
        example = replace(longer, input=None)
        conversation = (*example.messages, Message("assistant", example.output))
    return Dialogue(example)


def is_farewell(text: str) -> bool:
    """Return whether a message only thanks, praises, or says goodbye: 'Great, thanks! That's all for today.'"""
    if len(text) > _LONGEST_FAREWELL or _QUESTION.search(text):
        return False
    parts = [_pattern("farewell").fullmatch(" ".join(part.split())) for part in _parts(text)]
    return all(parts) and any(part["closes"] for part in parts if part)


def _parts(text: str) -> Iterator[str]:
    return filter(str.strip, _BETWEEN.split(text.replace("’", "'")))


def _own_words(text: str, source: str) -> str:
    """Return a user's message without the label before it, the turns after it, and the quotes around it.

    A pasted chat stays: its first label follows a colon ('Shorten this:'), or is the user's, before the assistant's.
    """
    label = _pattern("user_label", source).match(text)
    text = text[label.end() :] if label else text
    # 'How long?\n\nAssistant: Ten minutes.': the prompt writes turns like that, so the model went on with the next one.
    labels = list(_pattern("any_label", source).finditer(text))
    if labels:
        before = text[: labels[0].start()].rstrip()
        # 'Can you rewrite this?\nUser: Hi\nAssistant: Hello': the next turn would be the assistant's.
        pasted = labels[0]["user"] and not all(each["user"] for each in labels)
        text = text if pasted or before.endswith((":", "：")) else before
    return without_quotes(text.strip())


@lru_cache
def _pattern(name: str, source: str = _FILE) -> regex.Pattern[str]:
    """Compile a pattern of the wording file and of `source`, the language's own file; a list is an alternation."""
    files = [shipped_yaml(__package__, file)["patterns"] for file in dict.fromkeys((_FILE, source))]

    def joined(key: str) -> str:
        found = (patterns.get(key, []) for patterns in files)
        given = [block for each in found for block in ([each] if isinstance(each, str) else each)]
        return "|".join("".join(map(str.lstrip, block.split("\n"))) for block in given)

    whole = joined(name)
    if name == "farewell":
        whole = rf"(?: ?(?:(?P<closes>{whole})|{joined('filler')}))*"
    return regex.compile(whole, regex.IGNORECASE)


def dialogue_digest(language: str) -> str:
    """Return the version of the wording, which is part of every prompt of the user side and of the config digest."""
    return load_wording_file(__package__, _FILE, language).digest

"""The frozen values that travel between the rooms. No room hands another a dict.

They are plain frozen dataclasses: built by the hundred thousand in a replay, compared and hashed
in tests. What comes from outside (configuration, seed files) is checked where it enters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import to_json

Purpose = Literal["probe", "propose", "classify", "instances", "judge"]
Endpoint = Literal["chat", "completions"]
Role = Literal["system", "user", "assistant"]


def storable(text: str) -> str:
    """Without NUL and half surrogate pairs, which JSON can carry but neither SQLite nor Parquet can keep."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


@dataclass(frozen=True, slots=True)
class Instance:
    """One worked example of a task. `input` is empty where the task needs none."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SeedTask:
    """A task written by a person: an instruction and at least one instance of it.

    numbered: it brought no id; the one it has says its place.
    """

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    numbered: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Seeds that came to a run with a generation: shown and compared with from `first_question` on, and not before."""

    generation: int
    first_question: int
    tasks: tuple[SeedTask, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The decoding parameters of one request. `None` leaves a parameter out of the request."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One part of a prompt. Over the completions endpoint the parts are joined as they are."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question to the teacher, whole: what is sent follows from this value alone.

    demos: ids of the demonstrations shown, in order.
    version: hash of the prompt wording it was rendered from.
    schema: JSON schema the answer is asked to follow, or None for text.
    """

    purpose: Purpose
    messages: tuple[Message, ...]
    sampling: Sampling
    endpoint: Endpoint = "chat"
    demos: tuple[str, ...] = ()
    version: str = ""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    top_logprobs: int | None = None

    @property
    def text(self) -> str:
        """The parts joined: what a completions endpoint gets."""
        return "".join(message.content for message in self.messages)

    def digest(self) -> str:
        """Hash of everything that is sent to the teacher; 32 hex digits."""
        messages = [[message.role, message.content] for message in self.messages]
        sampling = self.sampling
        how = [
            sampling.temperature,
            sampling.top_p,
            sampling.presence_penalty,
            sampling.frequency_penalty,
            sampling.max_tokens,
            sampling.stop,
        ]
        rest = _canonical([how, self.schema, self.top_logprobs])
        text = f"{_canonical_strings([self.purpose, self.endpoint, messages])[:-1]},{rest[1:]}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _canonical_strings(value: object) -> str:
    """The same for what holds nothing but strings, in a quarter of the time."""
    try:
        return to_json(value).decode()
    except ValueError:  # half a surrogate pair
        return _canonical(value)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the teacher counted them. `cached_tokens` is a part of `prompt_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one question. A bad answer is a value with `error` set, never an exception.

    finish_reason: 'stop', 'length', 'content_filter' or what the teacher said.
    error: a reason in snake_case and a detail, 'refusal: I can not ...', or None.
    failed: nothing usable came back at all (a timeout, a 503, a broken body); refusals are answers.
    logprobs: natural-log probabilities of the likeliest first tokens, where they were asked for.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    model: str = ""
    error: str | None = None
    failed: bool = False
    logprobs: Mapping[str, float] | None = field(default=None, hash=False)

    @property
    def truncated(self) -> bool:
        """True when the token limit cut the answer off."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the key that its answer is committed under.

    number: which proposal it is, or None. tries: the batch jobs that have brought it no answer so far.
    """

    key: str
    prompt: Prompt
    number: int | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that was put to a teacher and what came of it, told to whoever watches a run.

    teacher: its name in the configuration. asked_at: seconds of the epoch. cost_usd: None where no price is known.
    completion: None where the teacher could not go on at all; `error` says why then, a reason in snake_case.
    """

    question: Question
    teacher: str
    asked_at: float
    latency_s: float
    completion: Completion | None
    cost_usd: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A file of questions on its way. Its number counts the run's jobs; digest: the SHA-256 of the file.

    batch: the provider's id of it, None until it is known. planned_at: seconds of the epoch.
    """

    number: int
    digest: str
    planned_at: float
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that an answer proposes. Methods that ask one question only bring input and output along.

    truncated: the token limit cut the answer off inside this task.
    """

    instruction: str
    input: str | None = None
    output: str | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A task as it is shown in a prompt; `input` and `output` are empty where it has no instance yet."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a teacher is asked: which endpoint for which purpose, and whether JSON schemas are used.

    structured: for which purposes, True for all; None where that is still to be found out.
    direct: instances come from putting the instruction itself to the chat model, one answer a task.
    """

    propose: Endpoint = "chat"
    classify: Endpoint = "chat"
    instances: Endpoint = "chat"
    structured: bool | frozenset[Purpose] | None = None
    direct: bool = False

    @classmethod
    def over(cls, endpoint: Endpoint) -> Asking:
        """Everything over one endpoint."""
        return cls(endpoint, endpoint, endpoint)

    def by_schema(self, purpose: Purpose) -> bool:
        """Whether answers for `purpose` are asked for by a JSON schema; completions endpoints have none."""
        endpoints = {"propose": self.propose, "classify": self.classify, "instances": self.instances}
        if endpoints.get(purpose, "chat") != "chat":
            return False
        return purpose in self.structured if isinstance(self.structured, frozenset) else bool(self.structured)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says. `reason` is None when the check has no objection, else its snake_case name.

    score: the measured value, where the check measures one (ROUGE-L F for 'too_similar').
    nearest: id of the text that the score was reached with.
    """

    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None

    @property
    def ok(self) -> bool:
        """True when nothing speaks against the candidate."""
        return self.reason is None


PASS = Verdict()


@dataclass(frozen=True, slots=True)
class Development:
    """What `Strategy.develop` found out about an admitted candidate.

    truncated: the token limit cut the last answer; its last instance is not trusted.
    error: why no instance could be had, or None.
    """

    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text of the pool and its ROUGE-L F to the candidate, 0 to 1."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Scores:
    """A judge's marks for one worked task, each 1 to 5, with a sentence of reason; judge: the model that gave them."""

    clarity: int
    correctness: int
    helpfulness: int
    safety: int
    reason: str = ""
    judge: str = ""

    @property
    def mean(self) -> float:
        """The mean of the four marks, 1 to 5."""
        return (self.clarity + self.correctness + self.helpfulness + self.safety) / 4


@dataclass(frozen=True, slots=True)
class Record:
    """One finished task of the dataset, with everything needed to trace it.

    question, index: the proposal it came from and its place in that answer; they order the dataset.
    teacher: the model that proposed it; output_teacher: the one that wrote its instances.
    demos: ids of the tasks that were shown. nearest: its nearest neighbour at admission.
    scores: a judge's, one for each instance, None where it gave none; empty without a judge.
    """

    id: str
    question: int
    index: int
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None
    strategy: str
    teacher: str
    output_teacher: str
    prompt_version: str
    demos: tuple[str, ...]
    nearest: Neighbour | None = None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None
    scores: tuple[Scores | None, ...] = ()

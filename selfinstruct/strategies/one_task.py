"""What `evolve`, `plan` and `magpie` share: each request brings one task, and a second request its answer."""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.options import StrategyOptions
from ..config.sections import SamplingConfig
from ..core.prompts import Asking, Completion, Message, Prompt, Sampling, with_rule
from ..core.records import Development, Example, Response
from ..core.tasks import Candidate
from .reading.lists import strip_emphasis, without_quotes
from .wording import PromptWording

DEFAULTS = {"propose": Sampling(temperature=1.0, max_tokens=1024), "answer": Sampling(temperature=0.7, max_tokens=1024)}
"""The decoding parameters of both requests. On a completions endpoint, a stop sequence is added."""


class OneTaskOptions(StrategyOptions):
    """Options of the strategies that request one task at a time."""

    propose: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of requests for a new task."
    )
    answer: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of requests for the answer."
    )


def tasks_after(mark: str, text: str) -> list[str]:
    """Return the text before the first line that opens with `mark`, such as 'New task:', and what follows each such
    line.

    Without quotes and emphasis around them; empty ones are left out, but for the first.
    """
    # '**New task:** Plan ...', '## New task', '新任务：写 ...'
    name = re.escape(mark.rstrip(" :："))
    line = re.compile(rf"^[\s#*_>-]*{name}[\s*_]*(?:[:：]|$)[\s*_]*", re.IGNORECASE | re.MULTILINE)
    first, *rest = (without_quotes(strip_emphasis(part.strip()).strip()) for part in line.split(text))
    return [first, *filter(None, rest)]


def prompt_for_task(wording: PromptWording, asking: Asking, shown: str, configured: SamplingConfig) -> Prompt:
    """Return the request for a task: the rules, then what is shown, whose last line the answer continues."""
    endpoint, sampling = asking.propose, DEFAULTS["propose"]
    if endpoint == "completions":
        sampling = replace(sampling, stop=("\n" + wording.before("answer"),))
    messages = Message("system", wording.rules("rules", endpoint) + "\n"), Message("user", shown)
    return Prompt("propose", messages, configured.over(sampling), endpoint, version=wording.digest)


def prompt_for_answer(wording: PromptWording, asking: Asking, task: str, configured: SamplingConfig) -> Prompt:
    """Return the request for the answer: by chat the task itself, as a user would send it."""
    endpoint, sampling = asking.endpoint("answer"), DEFAULTS["answer"]
    if endpoint == "completions":
        sampling = replace(sampling, stop=("\n" + wording.before("answer"),))
        task = wording.fill("answer", instruction=task)
    rule = wording.answer_rule
    if endpoint == "completions":
        rule, task = "", f"{rule}\n\n{task}" if rule else task
    messages = with_rule((Message("user", task),), rule)
    return Prompt("answer", messages, configured.over(sampling), endpoint, version=wording.digest)


def with_answer(candidate: Candidate, answer: Completion) -> Development:
    """Return the example that a task and its answer make."""
    if answer.error:
        return Development((), error=answer.error)
    response = Response(answer.text.strip(), key=answer.key, reasoning=answer.reasoning)
    return Development((Example.of(candidate.instruction, "", response),), truncated=answer.truncated)

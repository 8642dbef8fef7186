"""Magpie (Xu et al. 2024, arXiv 2406.08464): the model continues its own chat template where the user's turn begins.

Nothing is shown; what the model writes is what it expects of its users. The configuration's task and the facets of a
question are in the system message. Without them the template's own system message counts, which some models need:
without it, Qwen 2.5 writes fragments.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.options import SourceOptions
from ..config.path_keys import TemplateName
from ..config.run_config import RunConfig
from ..core.chat_markers import find_markers
from ..core.chat_template import load_chat_template
from ..core.errors import ConfigError
from ..core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling, with_rule
from ..core.records import Development
from ..core.tasks import Candidate, Material
from .one_task import OneTaskOptions, with_answer
from .protocol import PreviewPrompt, Strategy
from .wording import load_wording

if TYPE_CHECKING:
    from .material import View

DEFAULTS = {"propose": Sampling(temperature=1.0, top_p=0.99, max_tokens=256), "answer": Sampling(0.0, max_tokens=1024)}
# 'Q: ...\nA: ...', 'Qwen: ...': a conversation as it is written down
_SPEAKER = re.compile(r"^(?:Q|A|User|Human|Assistant|AI|Qwen|问|答|用户|助手)[ \t]*[:：]", re.MULTILINE)
_USER = "the-user-says"  # takes the place of what a user says


class MagpieOptions(OneTaskOptions):
    """kind `magpie`: the model writes what its users say."""

    needs_seeds = False

    kind: str = Field(default="magpie", description="magpie")
    template: PerGeneration[TemplateName] = Field(
        description="The model's chat template: chatml | gemma | llama3 | mistral | qwen2.5 | zephyr | a .jinja file | "
        "a tokenizer_config.json."
    )


class Magpie:
    """One request for what a user says, and one for the answer."""

    Options = MagpieOptions
    name, source = "magpie", "nothing"
    purposes = ("propose", "answer")
    for_strong_teachers = True
    seed_demos, machine_demos, tasks_per_question = 0, 0, 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        if asking.propose != "completions":
            raise ConfigError(
                "strategy: magpie continues a chat template, which takes a completions endpoint; set teacher.endpoint: "
                "completions if your server has one, or use another strategy"
            )
        self._wording = load_wording(config, self.name, DEFAULTS)
        self._asking, self._options = asking, self.Options.of(config.strategy)
        self._template = load_chat_template(self._options.template, "?", key="strategy.template")
        version = f"{self._wording.digest} {self._template.source} {sorted(self._template.tokens.items())}"
        self.digest = hashlib.sha256(version.encode()).hexdigest()[:12]
        # The system message for every question: who uses the assistant for what, and in which language.
        self._system = self._wording.fill("purpose", task=config.task.strip()) if config.task else ""
        self._system += self._wording["language"] if config.language not in ("en", "any") else ""
        self._assistant = tuple(phrase.strip() for phrase in self._wording["assistant"].split("|"))
        # '<|im_end|>' in '...<|im_start|>user\nthe-user-says<|im_end|>\n<|im_start|>assistant\n'
        after = self._rendered("", _USER).partition(_USER)[2].strip()
        self._stop = (after.splitlines()[0],) if after else None

    def propose(self, material: Material) -> Prompt:
        """Return the template up to where the user's turn begins."""
        facets = [self._wording.fill("facet", name=name, value=value) for name, value in material.facets.items()]
        system = self._system + "".join(facets)
        opening, user, _ = self._rendered(self._wording["system"] + system if system else "", _USER).partition(_USER)
        if not user:
            raise ConfigError(f"strategy.template: {self._template.name}: leaves out what the user says; correct it")
        return self._prompt("propose", opening, sample=int(material.unit or 0))

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return what the user says, or what is wrong with it as an `error`."""
        text = completion.text.strip()
        if not text:
            return []
        return [Candidate(text, truncated=completion.truncated, error=self._objection(text))]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Ask for the answer."""
        return with_answer(candidate, await ask(self._answer(candidate.instruction)))

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return the prompt that `develop` sends."""
        return [PreviewPrompt("answer", self._answer(instruction), answer_tokens=300)]

    def _objection(self, text: str) -> str | None:
        opening = text[:80]
        if markers := find_markers(text):
            return f"ran_on: {markers[0][0]}"
        if speaker := _SPEAKER.search(text):
            return f"transcript: {speaker[0]}"
        if text.casefold().startswith(self._assistant):
            return f"assistant_voice: {opening}"
        # ', and then it', 'of the code below': the end of something, or 'Translate this:' without what follows.
        if text[0].islower() or text[0] in ",;:.!?)]}-，。；：！？）、" or text[-1] in ",:：，、":
            return f"fragment: {opening}"
        return None

    def _answer(self, task: str) -> Prompt:
        if self._asking.endpoint("answer") == "completions":
            return self._prompt("answer", self._rendered(self._wording.answer_rule, task, generation_prompt=True))
        sampling = self._options.answer.over(DEFAULTS["answer"])
        messages = with_rule((Message("user", task),), self._wording.answer_rule)
        return Prompt("answer", messages, sampling, version=self.digest)

    def _rendered(self, system: str, user: str, **options: Any) -> str:
        rules = [{"role": "system", "content": system}] if system else []
        return self._template.render([*rules, {"role": "user", "content": user}], **options)

    def _prompt(self, purpose: str, text: str, sample: int = 0) -> Prompt:
        configured = self._options.propose if purpose == "propose" else self._options.answer
        sampling = configured.over(replace(DEFAULTS[purpose], stop=self._stop))
        messages = (Message("user", text),)
        return Prompt(purpose, messages, sampling, "completions", version=self.digest, sample=sample)


class Nothing:
    """Shows nothing. Numbers the questions, so that a server with a fixed seed answers each of them differently."""

    Options = SourceOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None: ...

    def draw(self, number: int, view: View) -> Material:
        return Material(unit=str(number))

"""Evol-Instruct (WizardLM, Xu et al. 2023, arXiv 2304.12244): rewrite a task to a harder one, or to a rarer one.

The source `parents` draws the task to rewrite and the operator. As published, four kinds of failures are eliminated:
a task that adds nothing, an answer that declines, an answer without content, and words of the prompt in the task. What
can be found without a model is found in `parse`, so that such a task enters no pool and its parent is drawn again. The
rest costs a question that is answered by yes or no.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, Strict

from ..config.fields import PerGeneration
from ..config.options import SourceOptions
from ..config.run_config import RunConfig
from ..config.sections import SamplingConfig
from ..core.counted import counted
from ..core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ..core.records import Development
from ..core.tasks import Candidate, Demonstration, Material
from ..core.tokens import tokenize
from .one_task import DEFAULTS, OneTaskOptions, prompt_for_answer, prompt_for_task, tasks_after, with_answer
from .protocol import PreviewPrompt, Strategy
from .reading.yes_no import answers_yes
from .wording import load_wording

if TYPE_CHECKING:
    from .material import View

CLASSIFY = Sampling(temperature=0.0, max_tokens=3)
SHORT = 80
"""Words of a short answer: as published, one that says sorry declines."""

Operator = Literal["constraint", "deepen", "concretize", "reasoning", "input", "breadth"]


class EvolveOptions(OneTaskOptions):
    """kind `evolve`: rewrite one task at a time with the source `parents`."""

    kind: str = Field(default="evolve", description="evolve")
    classify: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of 'is it harder, and can it still be answered?'."
    )


class Evolve:
    """One request rewrites a task, one asks whether the result is any good, and one brings the answer."""

    Options = EvolveOptions
    name, source = "evolve", "parents"
    purposes = ("propose", "classify", "answer")
    for_strong_teachers = True
    seed_demos, machine_demos, tasks_per_question = 1, 0, 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = wording = load_wording(config, self.name, DEFAULTS | {"classify": CLASSIFY})
        self._asking, self._options = asking, self.Options.of(config.strategy)
        self.digest = wording.digest
        self._stop_words = _stems(wording["stop_words"])
        self._empty = self._stop_words | _stems(wording["filler"])
        self._copied = [phrase.strip() for phrase in wording["copied"].split("|")]
        self._own_runs = _runs(wording["rules"] + wording["ask"])

    def propose(self, material: Material) -> Prompt:
        """Return a prompt with the rules, the parent, and the operator's line."""
        operator = self._wording[_operator(material)]
        shown = self._wording.steer(material.facets, self._asking.propose)
        shown += self._wording.fill("ask", parent=_text(material), operator=operator)
        return prompt_for_task(self._wording, self._asking, shown, self._options.propose)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the task, or what is wrong with it as an `error`."""
        # 'New task: ...'; or the task without it; or 'Task: ...', as the prompt has it above the parent.
        text = tasks_after(self._wording["mark"], completion.text)[-1]
        task = next(filter(None, tasks_after(self._wording.before("ask"), text)), "")
        if not task:
            return []
        error = self._objection(task, _text(material), _operator(material))
        return [Candidate(task, truncated=completion.truncated, error=error)]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Ask whether the task is harder and can be answered, then for its answer."""
        verdict = await ask(self._question(candidate))
        if verdict.error:
            return Development((), error=verdict.error)
        if not answers_yes(verdict, self._wording["yes"], self._wording["no"]):
            return Development((), error=f"not_evolved: {_operator(candidate.material)}")
        answer = await ask(self._answer(candidate.instruction))
        flaw = None if answer.error else self._flaw(answer.text, candidate.instruction)
        return Development((), error=flaw) if flaw else with_answer(candidate, answer)

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return the prompts that `develop` sends for a task that was made of itself."""
        candidate = Candidate(instruction, material=Material((Demonstration("", instruction),)))
        return [
            PreviewPrompt("harder, and can it be answered?", self._question(candidate), answer_tokens=2),
            PreviewPrompt("answer", self._answer(instruction), answer_tokens=300),
        ]

    # --- elimination --------------------------------------------------------------------------

    def _objection(self, task: str, parent: str, operator: str) -> str | None:
        """Return what is wrong with a task, as 'reason: detail', as far as that shows without a model."""
        text, before = task.casefold(), parent.casefold()
        # '#Rewritten Prompt#', 'the given task', or a line of the rules: words of the prompt.
        copied = [phrase for phrase in self._copied if phrase in text and phrase not in before]
        copied += [
            " ".join(run) for run in _runs(task) & (self._own_runs | _runs(self._wording[operator])) - _runs(parent)
        ]
        if copied:
            return f"copied_prompt: {min(copied)}"
        # What a task says is its words with content.
        words, old = _stems(task) - self._empty, _stems(parent) - self._empty
        new, added = len(words - old), len(tokenize(task)) - len(tokenize(parent))
        if operator == "breadth":
            return None if new >= 3 else f"nothing_new: {new} new words"
        # Padding: longer, and less than a quarter of that says anything.
        if added >= 4 and new * 4 < added:
            return f"only_longer: {counted(added, 'word')} more, {new} of them new"
        # One or two words in the place of as many others are another wording; more of them are for the model to judge.
        if new < 3 and new <= len(old - words):
            return f"nothing_new: {new} new words"
        return None

    def _flaw(self, answer: str, task: str) -> str | None:
        """Return why an answer shows that its task can't be answered, as 'reason: detail'."""
        if not _stems(answer) - self._stop_words:
            return f"no_content: {answer.strip()[:60]}"
        opening, sorry = " ".join(answer.split())[:80], self._wording["sorry"].split()
        asked = any(word in task.casefold() for word in sorry)  # for an apology
        if len(tokenize(answer)) < SHORT and not asked and any(word in opening.casefold() for word in sorry):
            return f"answer_refusal: {opening}"
        return None

    # --- prompts ------------------------------------------------------------------------------

    def _question(self, candidate: Candidate) -> Prompt:
        key = "other" if _operator(candidate.material) == "breadth" else "harder"
        text = self._wording.fill(key, parent=_text(candidate.material), instruction=candidate.instruction).rstrip()
        endpoint = self._asking.classify
        return Prompt(
            purpose="classify",
            messages=(Message("user", text),),
            sampling=self._options.classify.over(CLASSIFY),
            endpoint=endpoint,
            version=self.digest,
            top_logprobs=10 if endpoint == "completions" else None,
        )

    def _answer(self, task: str) -> Prompt:
        return prompt_for_answer(self._wording, self._asking, task, self._options.answer)


def _operator(material: Material | None) -> str:
    return "constraint" if material is None else material.facets.get("operator", "constraint")


def _text(material: Material | None) -> str:
    """Return the parent as its user would send it: the instruction, then the input."""
    parents = material.demos if material else ()
    return "\n\n".join(part for parent in parents[:1] for part in (parent.instruction, parent.input) if part)


def _stems(text: str) -> frozenset[str]:
    """Return the words of a text without most of their endings: 'explaining' and 'explains' are the same."""
    return frozenset(word[:6] for word in tokenize(text))


def _runs(text: str) -> set[tuple[str, ...]]:
    """Return all runs of 6 words, or of 12 characters in scripts without spaces."""
    words = tokenize(text)
    length = 6 if sum(map(len, words)) > 2 * len(words) else 12
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


# --- the source ---------------------------------------------------------------------------------


class ParentsOptions(SourceOptions):
    """kind `parents`: one seed or generated task to rewrite, and an operator, for `strategy: evolve`."""

    kind: str = Field(default="parents", description="parents")
    operators: PerGeneration[Annotated[tuple[Operator, ...], Strict(False), Field(min_length=1)]] = Field(
        default=("constraint", "deepen", "concretize", "reasoning", "input", "breadth"),
        description="What is done to tasks, drawn by chance; name one twice to draw it more often.",
    )


class Parents:
    """Draws a parent from all seeds and generated tasks, and an operator, which becomes a facet."""

    Options = ParentsOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        self._random_seed = config.random_seed
        self._operators = ParentsOptions.of(config.source or "parents").operators

    def draw(self, number: int, view: View) -> Material:
        draw, seeds = random.Random(f"{self._random_seed}:{number}"), len(view.seeds)
        position = draw.randrange(seeds + len(view.tasks))
        parent = view.seeds[position] if position < seeds else view.tasks[position - seeds]
        return Material((parent,), {"operator": draw.choice(self._operators)})

"""The answers to a task: samples, checks, the judge, and the choice among them. `develop` uses it for each task."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..config.run_config import RunConfig
from ..config.sections import AnswersConfig
from ..core.choice import choose
from ..core.language_tags import primary, with_answers
from ..core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling, with_rule
from ..core.records import Example, Label, Response
from ..core.tasks import PASS, Candidate, Verdict, storable
from ..filters import Checks, keep_examples
from ..filters.judge import Judge, PairwiseJudge
from ..filters.wrong_answers import WrongAnswer
from ..verifiers.constraints import reminder
from .consensus import Consensus
from .constrain import constrained
from .dialogue import Dialogue, UserSimulator, converse
from .pool import as_verdict

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
"""Default decoding parameters of further answers; the configuration's `answers` overrides them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the examples of a task.

    instruction: the task, with its constraints if it got any. kept: the examples to keep, each with its best answer
    first. refused: a verdict for each of the others. labels: the number of turns of a dialogue, and why it ended early.
    """

    instruction: str
    kept: tuple[Example, ...]
    refused: list[Verdict]
    labels: Mapping[str, Label] = field(default_factory=dict)


class Responder:
    """Brings each example of a task to a checked answer, by the section `answers` of the configuration.

    judge: grades or compares the answers that pass all other checks; None for no judge.
    """

    def __init__(
        self, config: RunConfig, checks: Checks, asking: Asking, judge: Judge | PairwiseJudge | None = None
    ) -> None:
        self._config, self._settings = config, config.answers or AnswersConfig()
        settings = self._settings
        self._checks, self._asking = checks, asking
        self._judge = judge if isinstance(judge, Judge) else None
        self._comparer = judge if isinstance(judge, PairwiseJudge) else None
        self._sampling, self._random_seed = settings.over(SAMPLING), config.random_seed
        self._consensus = Consensus(settings, self._sampling)
        self._simulator = UserSimulator(config.language, asking)
        rules = with_answers({}, "", config.language, config.answer_languages)
        self._rule: str = rules.get("answer_rule", "")

    @property
    def asks_at_once(self) -> bool:
        """Whether several questions about one task are in flight at a time."""
        return self._settings.samples > 1 and self._settings.until == "all"

    async def settle(
        self, candidate: Candidate, examples: Sequence[Example], truncated: bool, place: str, ask: Ask
    ) -> Settled:
        """Decide which examples of a task to keep, and with which answers.

        Args:
            candidate: The task.
            examples: Its examples, each with the answer that came with the task.
            truncated: Whether the last of these answers was cut off.
            place: The place of the task in the run; seeds what is drawn by chance.
            ask: Sends a prompt, or recalls its answer.
        """
        candidate, examples = constrained(self._config, candidate, examples, place)
        answered = []
        for number, example in enumerate(examples, 1):
            cut = truncated and number == len(examples)
            answered.append(await self.respond(candidate, example, ask, truncated=cut))
        kept, refused = keep_examples(answered, [_objection(example.responses[0]) for example in answered])
        refused += [verdict for number, example in enumerate(answered, 1) for verdict in _others(number, example)]
        if self._settings.turns == 1 or not kept:
            return Settled(candidate.instruction, kept, refused)

        # A record is one dialogue, which continues the first example.
        dialogue = await self._continued(kept[0], place, ask)
        ended = (dialogue.ended or "complete").partition(":")[0]
        labels: dict[str, Label] = {"turns": len(dialogue.example.messages) // 2 + 1, "ended": ended}
        return Settled(candidate.instruction, (dialogue.example,), refused, labels)

    async def _continued(self, example: Example, place: str, ask: Ask) -> Dialogue:
        """Continue a first exchange to a dialogue."""

        async def respond(messages: tuple[Message, ...]) -> Example | Verdict:
            *before, said = messages
            said = replace(said, content=self._checks.rewritten(said.content))
            answered = await self.respond(Candidate(said.content), Example((*before, said), ()), ask)
            verdict = _objection(answered.responses[0])
            return answered if verdict.ok else verdict

        draw = random.Random(f"{self._random_seed}:dialogue:{place}")
        return await converse(example, self._settings.turns, draw, ask, respond, self._simulator)

    async def respond(self, candidate: Candidate, example: Example, ask: Ask, *, truncated: bool = False) -> Example:
        """Check the answers of an example and sample further ones; return it with the best answer first.

        If none passes, the best of those that failed is first. truncated: whether the first answer was cut off.
        """
        settings = self._settings
        # The answers that are there.
        responses = []
        for response in example.responses:
            if truncated:
                response = replace(response, verdicts={"truncated": Verdict("truncated")})
            responses.append(await self._checked(candidate, example, response, ask))

        # Further samples: one after the other until one passes, or all at once.
        numbers = range(len(responses), settings.samples)
        if settings.until == "all":
            responses += await asyncio.gather(*(self._sample(candidate, example, k, ask) for k in numbers))
        else:
            for k in numbers:
                if responses and responses[-1].passed:
                    break
                added = self._reminder(example, responses[-1]) if responses else ""
                responses.append(await self._sample(candidate, example, k, ask, added))

        # The choice. A comparison takes the place of marks, and agreement that of both; a program needs no agreement.
        if settings.min_agreement is not None and example.ground_truth is None:
            responses, truth = await self._consensus.compare(example, responses, ask)
            if truth is not None:
                example = replace(example, ground_truth=truth)
                responses = [await self._verified(candidate, example, each, ask) for each in responses]
        if self._comparer is not None:
            responses = list(await self._comparer.compare(replace(example, responses=tuple(responses)), ask))
        best, *rest = choose(responses).order if len(responses) > 1 else responses
        kept = (best, *rest) if settings.keep == "all" else (best,)
        others = () if settings.keep == "all" else tuple(replace(each, text="", reasoning="") for each in rest)
        truth = example.ground_truth
        return Example(example.messages, kept, example.input, example.evidence, others, truth)

    async def _sample(self, candidate: Candidate, example: Example, number: int, ask: Ask, added: str = "") -> Response:
        """Ask for one more answer to the example's messages, and check it. added: a reminder after the last one."""
        *before, said = (*example.shots, *example.messages)
        said = replace(said, content=f"{said.content}\n\n{added}") if added else said
        completion = await ask(self._prompt((*before, said)), sample=number)
        return await self._checked(candidate, example, self._read(completion, number), ask)

    def _reminder(self, example: Example, response: Response) -> str:
        """Return what to add to a task whose last answer violates one of its constraints: that constraint."""
        truth = example.ground_truth
        if truth is None or truth.verifier != "constraints" or response.verified is not False:
            return ""
        return reminder(json.loads(truth.expected), response.text, primary(self._config.language))

    def _read(self, completion: Completion, number: int) -> Response:
        verdicts: dict[str, Verdict] = {}
        if completion.error is not None:
            verdicts["answer"] = as_verdict(storable(completion.error))
        elif completion.truncated:
            verdicts["truncated"] = Verdict("truncated")
        text = self._checks.rewritten(storable(completion.text.strip()))
        reasoning = self._checks.reasoning(completion.reasoning)
        return Response(text, None, number, completion.key, reasoning=reasoning, verdicts=verdicts)

    async def _checked(self, candidate: Candidate, example: Example, response: Response, ask: Ask) -> Response:
        """Return the response with its verdicts and marks. One that has failed already is not checked."""
        if not response.passed:
            return response
        truth = example.ground_truth
        one = Example(example.messages, (response,), example.input, example.evidence, ground_truth=truth)
        verdicts = await self._checks.verdicts(candidate, one, ask)
        marks: dict[str, float] = {}
        if self._judge is not None and all(verdict.ok for verdict in verdicts.values()):
            judged = await self._judge.check_answer(candidate, one, ask)
            marks = dict(judged.marks)
            if judged != PASS:
                # A judge can spell out characters in JSON that no file can keep.
                verdicts["judge"] = replace(judged, detail=storable(judged.detail), marks={})
        return replace(response, verdicts=verdicts, marks=marks) if verdicts or marks else response

    async def _verified(self, candidate: Candidate, example: Example, response: Response, ask: Ask) -> Response:
        """Compare a response with the ground truth that the answers agree on, if the filters want that."""
        check = next((each for each in self._checks.answers if isinstance(each, WrongAnswer)), None)
        if check is None or not response.passed:
            return response
        verdict = await check.check_answer(candidate, replace(example, responses=(response,)), ask)
        return replace(response, verdicts={**response.verdicts, "wrong_answer": verdict})

    def _prompt(self, messages: tuple[Message, ...]) -> Prompt:
        """Return the prompt that asks for an answer to a conversation, as the teacher wants it."""
        if self._asking.endpoint("answer") == "chat":
            return Prompt("answer", with_rule(messages, self._rule), self._sampling)
        # A model that only continues text: 'User: ...\n\nAssistant:'
        text, stop = self._simulator.cue(messages)
        text = f"{self._rule}\n\n{text}" if self._rule else text
        return Prompt("answer", (Message("user", text),), replace(self._sampling, stop=(stop,)), "completions")


def _objection(response: Response) -> Verdict:
    """Return the objection to an answer, or `PASS`."""
    return next((verdict for verdict in response.verdicts.values() if not verdict.ok), PASS)


def _others(number: int, example: Example) -> Iterator[Verdict]:
    """Yield the objections to the other answers of a rejected example. number: of the example, counted from 1."""
    best, *others = [*example.responses, *example.others]
    for each in others if not best.passed else ():
        verdict = _objection(each)
        yield replace(verdict, detail=f"{number}: sample {each.sample}: {verdict.detail}".rstrip(": "))

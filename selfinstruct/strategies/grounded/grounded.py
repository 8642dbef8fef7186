"""Questions about passages of documents, led by the program: it picks the fact, and composes the answer from the text.

For each question the program picks a sentence that stands on its own and a part of it, the answer. The teacher writes
the question that this part answers, from an opening. A second request answers the question from the passage alone, and
must return that part. Then the answer is the sentence itself, with its place as evidence, so that no answer says what
the document does not. What the program can check it checks before anything is asked again.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ...config.fields import PerGeneration
from ...config.options import StrategyOptions
from ...config.run_config import RunConfig
from ...config.sections import SamplingConfig
from ...core.documents import Passage, Quote
from ...core.errors import ConfigError
from ...core.language_tags import language_name, primary
from ...core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ...core.records import Development, Example, Response
from ...core.shipped import shipped_text
from ...core.tasks import Candidate, Material
from ..protocol import PreviewPrompt
from ..wording import load_wording
from .facts import Fact, facts, steps
from .free import judge_claims, read_claims
from .questions import agrees, complete, contains, content, fold, objection_to, subject_of, topic_of
from .statements import Sentence, blocks, sentences

Kind = Literal["closed_book", "open_book", "unanswerable", "steps", "notes"]
DEFAULTS: dict[Kind, float] = {
    "closed_book": 6,
    "open_book": 2,
    "unanswerable": 1,
    "steps": 1,
    "notes": 0,
}
_ABOUT_ONE_FACT: tuple[Kind, ...] = ("closed_book", "open_book", "unanswerable")
PUBLISHED = {
    "ask": Sampling(temperature=0.0, max_tokens=60),
    "read": Sampling(temperature=0.0, max_tokens=48),
    "free": Sampling(temperature=0.0, max_tokens=400),
}
"""Our own settings: the likeliest question is closest to the fact, and the first words of an answer tell its place."""
_RESTATES = 0.3
"""Share of a sentence's words in another one that may say the same."""
_EXCERPT = 400
"""Characters around a fact that a small model reads; it answers from a long text less well, and far more slowly."""


class GroundedOptions(StrategyOptions):
    """kind `grounded`: questions about passages of documents."""

    kind: str = Field(default="grounded", description="grounded")
    subject: PerGeneration[str | None] = Field(
        default=None,
        description="What the documents are about, for questions: 'Borg'; null: each document's title.",
    )
    kinds: PerGeneration[Mapping[Kind, Annotated[float, Field(ge=0)]]] = Field(
        default=DEFAULTS,
        description="Weights of the kinds of questions: closed_book, open_book (with the passage), unanswerable (with "
        "the passage, without what answers), steps (numbered lists), notes (the facts of a passage).",
    )
    answers: PerGeneration[Literal["quoted", "free"]] = Field(
        default="quoted",
        description="quoted: the document's own sentences; free: the teacher answers, with a quote for each claim, and "
        "the judge checks each claim against the passage. For strong teachers.",
    )
    propose: PerGeneration[SamplingConfig] = Field(default=SamplingConfig(), description="Sampling of questions.")
    instances: PerGeneration[SamplingConfig] = Field(default=SamplingConfig(), description="Sampling of answers.")


class PlannedQuestion(NamedTuple):
    """One question that a passage supports: its kind, the fact it asks for, and the sentences that answer it."""

    kind: Kind
    fact: Fact
    answer: tuple[tuple[int, str], ...]

    def unit(self, passage: Passage) -> str:
        """Return the kind and the places of what is asked for in the document: 'closed_book:1280-1344'."""
        asked = (
            [self.fact.place] if self.kind in _ABOUT_ONE_FACT else [(at, at + len(text)) for at, text in self.answer]
        )
        return f"{self.kind}:" + ",".join(f"{passage.start + start}-{passage.start + end}" for start, end in asked)


class Grounded:
    """Asks for a question about a fact, and keeps it if the passage answers it with this fact."""

    Options = GroundedOptions
    name = "grounded"
    purposes = ("propose", "instances")
    takes_facets = False
    task_tokens = 20
    seed_demos = machine_demos = 0
    tasks_per_question = 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._language, self._asking = config.language, asking
        self._options = options = self.Options.of(config.strategy)
        if options.answers == "free" and asking.instances == "completions":
            raise ConfigError(
                "strategy.answers: free needs a chat model; set teacher.endpoint: chat, or answers: quoted"
            )
        # The word lists decide which fact a unit is, so they are part of the version, too.
        version = f"{self._wording.digest} {shipped_text(__package__, 'words.yaml')}"
        self.digest = hashlib.sha256(version.encode()).hexdigest()[:12]
        self._next = " " + self._wording.before("read").split(":")[0] + ":"
        self._weights = {kind: options.kinds.get(kind, 0.0) for kind in DEFAULTS}
        # The rules and examples of both requests come first in both, so a server reads them once.
        shots = self._shots("ask") + self._shots("read")
        # Where the wording is not in the documents' language, it says which language to write.
        if self._wording.source == "en.yaml" and primary(config.language) not in (
            "en",
            "any",
        ):
            shots += self._wording.fill("language", language=language_name(config.language)) + "\n\n"
        self._rules = {"ask": shots, "read": shots, "free": self._wording["free_rules"]}

    # --- what to ask --------------------------------------------------------------------------

    def units(self, passage: Passage) -> list[str]:
        """Return the questions that a passage supports, each by its kind and place: 'closed_book:1280-1344'."""
        return list(self._units(passage))

    def fact(self, material: Material) -> Fact:
        """Return the fact that a question of this material asks for."""
        return self._asked(material)[1].fact

    def why_none(self, passage: Passage) -> str:
        """Return why a passage supports no question, in snake_case: 'no_self_contained_sentence', 'no_fact' ..."""
        return facts(passage.text, self._language)[1]

    def _units(self, passage: Passage) -> dict[str, PlannedQuestion]:
        found, _ = facts(passage.text, self._language)
        units = list[PlannedQuestion]()
        for fact in found:
            possible = [
                kind
                for kind in _ABOUT_ONE_FACT
                if kind != "unanswerable" or _can_be_hidden(fact, passage, self._language)
            ]
            weights = [self._weights[kind] for kind in possible]
            if any(weights):
                [kind] = random.Random(f"{passage.id}:{fact.place}").choices(possible, weights)
                units.append(PlannedQuestion(kind, fact, ((fact.sentence.start, fact.sentence.text),)))
        if self._weights["steps"] and (listed := steps(passage.text, topic_of(passage, self._language))):
            intro, items = listed
            units.append(
                _of_list(
                    "steps",
                    intro.start,
                    intro.text,
                    [(item.start, item.text) for item in items],
                    self._wording["open_steps"],
                )
            )
        # Study notes: all that the passage states.
        stated = list(
            dict.fromkeys((fact.sentence.start, fact.sentence.text) for fact in found if fact.kind != "entry")
        )
        if self._weights["notes"] and len(stated) >= 3 and topic_of(passage, self._language):
            topic = topic_of(passage, self._language)
            units.append(_of_list("notes", stated[0][0], topic, stated, self._wording["open_notes"]))
        return {each.unit(passage): each for each in units}

    def propose(self, material: Material) -> Prompt:
        """Return the request for the question of the material's unit; what is the same for all of them comes first."""
        passage, unit = self._asked(material)
        subject, fact = self._subject(passage), unit.fact
        asked = self._wording.fill(
            "ask",
            subject=subject or passage.title,
            fact=_line(fact.sentence.text),
            answer=_line(fact.answer),
        )
        return self._prompt("propose", "ask", passage, asked, fact.opening)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the question as a candidate, or why it is none as its `error`."""
        passage = material.passages[0]
        if material.unit not in self._units(passage):  # asked under rules of an earlier version
            return [Candidate("", error=f"passage_gone: nothing to ask at {material.unit} of {passage.id}")]
        passage, unit = self._asked(material)
        opening, text = (
            unit.fact.opening,
            completion.text.strip().split("\n")[0].strip(),
        )
        # A completion continues the opening; a chat model repeats it, or begins in its own way.
        if self._asking.propose == "completions" and not fold(text).startswith(fold(opening)):
            text = f"{opening} {text}".strip()
        # What follows a question is a small model's answer to it.
        if self._asking.propose == "completions":
            text = re.sub(r"(?<=[?？]).*", "", text)
        question, subject = (
            " ".join(re.sub(r"\s+([?,])", r"\1", text).split()),
            self._subject(passage),
        )
        if error := objection_to(question, unit.fact, passage, subject, self._language):
            return [Candidate(question, error=error)]
        topic = self._topic(passage, unit.fact)
        always = unit.fact.kind == "entry" or topic.startswith("`")
        return [Candidate(complete(question, subject, topic, self._language, always=always))]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Answer the question from the passage alone; the example's answer is what the passage states."""
        assert candidate.material is not None
        passage, unit = self._asked(candidate.material)
        if self._options.answers == "free" and unit.kind in (
            "closed_book",
            "open_book",
        ):
            return await self._answer_freely(candidate.instruction, passage, unit, ask)
        read = await ask(self.read(candidate.instruction, passage, unit.fact))
        if read.error:
            return Development((), error=read.error)
        answer = read.text.strip().split("\n")[0].split(self._next)[0]
        if not agrees(answer, unit.fact, self._language):
            return Development(
                (),
                error=f"answer_differs: {answer[:80]!r} instead of {unit.fact.answer[:80]!r}",
            )
        return Development(
            (self._example(candidate.instruction, passage, unit, read.key),),
            {"kind": unit.kind},
        )

    async def _answer_freely(self, question: str, passage: Passage, unit: PlannedQuestion, ask: Ask) -> Development:
        """Let the teacher answer, with a quote for each claim, and the judge check each claim."""
        asked = self._wording.fill("free", question=question)
        answer = await ask(self._prompt("instances", "free", passage, asked, ""))
        if answer.error:
            return Development((), error=answer.error)
        claims, error = read_claims(answer.text, passage, self._wording, self._language)
        error = error or await judge_claims(claims, passage, self._wording, self.digest, ask)
        if error:
            return Development((), error=error)
        text, given = " ".join(claim for claim, _ in claims), passage.text if unit.kind == "open_book" else ""
        example = Example.of(question, given, Response(text, key=answer.key))
        return Development(
            (replace(example, evidence=tuple(quote for _, quote in claims)),),
            {"kind": unit.kind},
        )

    def read(self, question: str, passage: Passage, fact: Fact) -> Prompt:
        """Return the request to answer a question from the passage."""
        whole = self._asking.instances != "completions"
        return self._read(question, passage.text if whole else excerpt(passage.text, fact.sentence))

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return the prompt that `develop` sends, about the passage of an example."""
        shown = self._wording.examples("read_examples")[0]["passage"]
        return [PreviewPrompt("the answer, from the passage alone", self._read(instruction, shown), answer_tokens=15)]

    def _read(self, question: str, shown: str) -> Prompt:
        asked = self._wording.fill("read", passage=_line(shown), question=question)
        return self._prompt("instances", "read", None, asked, "")

    def _prompt(self, purpose: str, part: str, passage: Passage | None, asked: str, opening: str) -> Prompt:
        """Return a prompt: rules and examples, the passage, then what is asked for.

        A small model that continues text sees the fact alone, and asks about nothing else.
        """
        endpoint = self._asking.endpoint(purpose)
        sampling = self._options.propose if purpose == "propose" else self._options.instances
        published = PUBLISHED[part]
        if endpoint == "completions":
            user, published = f"{asked} {opening}".rstrip(), replace(published, stop=("\n",))
        else:
            shown = self._wording.fill("shown", passage=passage.text) + "\n" if passage else ""
            user = shown + asked + "\n" + self._wording[f"{part}_chat"]
            user += self._wording.fill("open_chat", opening=opening) if opening else ""
        return Prompt(
            purpose=purpose,
            messages=(Message("system", self._rules[part]), Message("user", user)),
            sampling=sampling.over(published),
            endpoint=endpoint,
            version=self.digest,
        )

    def _shots(self, part: str) -> str:
        """Return the rules of a part, then its examples in the form in which the question follows."""
        examples = self._wording.examples(f"{part}_examples")
        shown = [f"{self._wording.fill(part, **each)} {each['out']}\n\n" for each in examples]
        return f"{self._wording[f'{part}_rules']}\n{''.join(shown)}"

    def _asked(self, material: Material) -> tuple[Passage, PlannedQuestion]:
        passage = material.passages[0]
        return passage, self._units(passage)[material.unit]

    def _subject(self, passage: Passage) -> str:
        return self._options.subject or subject_of(passage, self._language)

    def _topic(self, passage: Passage, fact: Fact) -> str:
        """Return what a question is about within its subject: a term above the fact, else the heading."""
        named = fact.term and fact.kind != "entry" and not contains(fact.opening + fact.sentence.text, fact.term)
        return f"`{fact.term}`" if named else topic_of(passage, self._language)

    def _example(self, question: str, passage: Passage, unit: PlannedQuestion, key: str | None) -> Example:
        quotes = tuple(_quote(passage, start, text) for start, text in unit.answer)
        marks = {
            "steps": [f"{n}. " for n in range(1, len(quotes) + 1)],
            "notes": ["- "] * len(quotes),
        }
        parts = [mark + _line(q.text) for mark, q in zip(marks.get(unit.kind, [""] * len(quotes)), quotes, strict=True)]
        text, given = "\n".join(parts), ""
        if unit.fact.kind == "entry":
            text = f"{unit.fact.term}: {text}"
        if unit.kind == "open_book":
            given = passage.text
        # Without the sentence that answers, and any other that names the answer, the text does not say.
        elif unit.kind == "unanswerable":
            sentence = unit.fact.sentence
            kept = [(0, sentence.start), (sentence.end, len(passage.text))]
            quotes = tuple(
                _quote(passage, start, passage.text[start:end].strip())
                for start, end in kept
                if passage.text[start:end].strip()
            )
            given, text = "\n".join(q.text for q in quotes), self._wording["no_answer"]
        return replace(Example.of(question, given, Response(text, key=key)), evidence=quotes)


def excerpt(text: str, sentence: Sentence, most: int = _EXCERPT) -> str:
    """Return at most about `most` characters of a passage around a sentence, cut between words."""
    spare = max(most - len(sentence.text), 0) // 2
    start, end = max(sentence.start - spare, 0), min(sentence.end + spare, len(text))
    start = 0 if start == 0 else text.find(" ", start, sentence.start) + 1 or sentence.start
    end = (
        len(text)
        if end == len(text)
        else text.rfind(" ", sentence.end, end)
        if " " in text[sentence.end : end]
        else sentence.end
    )
    return text[start:end].strip()


def _of_list(kind: Kind, start: int, about: str, items: list[tuple[int, str]], opening: str) -> PlannedQuestion:
    fact = Fact(
        Sentence(start, about),
        kind,
        " ".join(text for _, text in items),
        opening,
        False,
    )
    return PlannedQuestion(kind, fact, tuple(items))


def _can_be_hidden(fact: Fact, passage: Passage, language: str) -> bool:
    """Return whether a passage without a fact's sentence says enough, and no longer has the answer in any words."""
    sentence, text = fact.sentence, passage.text
    rest = text[: sentence.start] + text[sentence.end :]
    if fact.kind == "entry" or len(rest) <= len(sentence.text) or (fact.exact and contains(rest, fact.answer)):
        return False
    stated = content(sentence.text, language)
    others = [each.text for block in blocks(rest) for each in sentences(block)]
    return all(len(stated & content(each, language)) < _RESTATES * len(stated) for each in others)


def _quote(passage: Passage, start: int, text: str) -> Quote:
    return passage.quote(passage.start + start, passage.start + start + len(text))


def _line(text: str) -> str:
    return " ".join(text.split())

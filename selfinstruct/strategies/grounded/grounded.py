"""Questions about passages of documents, led by the program: it picks the fact, and composes the answer from the text.

For each question the program picks a sentence that stands on its own and a part of it, the answer. The teacher writes
the question that this part answers, from an opening. A second request answers the question from the passage alone, and
must return that part. Then the answer is the sentence itself, with its place as evidence, so that no answer says what
the document does not. What the program can check it checks before anything is asked again.

Strong teachers may do more: word a question as facets say, answer in their own words, sum up a passage, or ask for what
two passages say together. Each of their claims has a quote, and is checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ...config.fields import PerGeneration
from ...config.options import StrategyOptions
from ...config.run_config import RunConfig
from ...config.sections import SamplingConfig
from ...core.documents import Passage
from ...core.errors import ConfigError
from ...core.language_tags import language_name, primary
from ...core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ...core.records import Development, Example, Response
from ...core.shipped import shipped_text
from ...core.tasks import Candidate, Material
from ..protocol import PreviewPrompt
from ..wording import load_wording
from .facts import Fact
from .free import judge_claims, read_claims, sources_missing
from .planner import ABOUT_ONE_FACT, ANSWERED_FREELY, DEFAULTS, Kind, PlannedQuestion, Planner
from .questions import agrees, complete, contains, fold, objection_to, objection_to_summary, subject_of, topic_of
from .statements import Sentence

PUBLISHED = {
    "ask": Sampling(temperature=0.0, max_tokens=60),
    "another": Sampling(temperature=0.7, max_tokens=60),
    "summary": Sampling(temperature=0.7, max_tokens=80),
    "multi_hop": Sampling(temperature=0.7, max_tokens=120),
    "read": Sampling(temperature=0.0, max_tokens=48),
    "free": Sampling(temperature=0.0, max_tokens=400),
}
"""Our own settings: the likeliest question is closest to the fact, and the first words of an answer tell its place."""
_EXCERPT = 400
"""Characters around a fact that a small model reads; it answers from a long text less well, and far more slowly."""
_TOLERATED = {
    "strict": frozenset[str](),
    # The document's sentence is the answer, so it must be clear alone; a free answer need not be that sentence.
    "quoted": frozenset(("generic", "lacks_context", "no_fact")),
    "free": frozenset(("generic", "lacks_context", "no_fact", "anaphor", "reference")),
}


class GroundedOptions(StrategyOptions):
    """kind `grounded`: questions about passages of documents."""

    kind: str = Field(default="grounded", description="grounded")
    subject: PerGeneration[str | None] = Field(
        default=None, description="What the documents are about, for questions: 'Borg'; null: each document's title."
    )
    kinds: PerGeneration[Mapping[Kind, Annotated[float, Field(ge=0)]]] = Field(
        default=DEFAULTS,
        description="Weights of the kinds of questions: closed_book, open_book (with the passage), unanswerable (with "
        "the passage, without what answers), steps (numbered lists), notes (the facts of a passage); for strong "
        "teachers also summary (of a passage) and multi_hop (over two passages).",
    )
    facts: PerGeneration[Literal["strict", "all"]] = Field(
        default="strict",
        description="strict: ask about sentences that are clear alone; all: also about others, which a strong teacher "
        "understands from the passage.",
    )
    wordings: PerGeneration[Annotated[int, Field(ge=1, le=5)]] = Field(
        default=1, description="How many differently worded questions to ask about each fact."
    )
    answers: PerGeneration[Literal["quoted", "free"]] = Field(
        default="quoted",
        description="quoted: the document's own sentences; free: the teacher answers, with a quote for each claim, and "
        "the judge checks each claim against the passage. For strong teachers.",
    )
    propose: PerGeneration[SamplingConfig] = Field(default=SamplingConfig(), description="Sampling of questions.")
    instances: PerGeneration[SamplingConfig] = Field(default=SamplingConfig(), description="Sampling of answers.")


class Grounded:
    """Asks for a question about a fact, and keeps it if the passage answers it with this fact."""

    Options = GroundedOptions
    name, source = "grounded", "documents"
    purposes = ("propose", "instances")
    task_tokens = 20
    seed_demos = machine_demos = 0
    tasks_per_question = 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._language, self._asking = config.language, asking
        self._options = options = self.Options.of(config.strategy)
        weights = {kind: options.kinds.get(kind, 0.0) for kind in DEFAULTS}
        self.for_strong_teachers = next(filter(None, (set_ and key for set_, key in self._for_chat(weights))), "")
        if self.for_strong_teachers and "completions" in (asking.propose, asking.instances):
            key = self.for_strong_teachers
            raise ConfigError(f"{key} needs a chat model; set teacher.endpoint: chat, or remove this key")
        # Answers in other languages than the documents' are the teacher's own.
        self._answers = config.answer_languages
        if self._answers and not any(self._same_language([tag]) for tag in self._answers):
            if options.answers == "quoted":
                raise ConfigError(
                    "answer_languages: quoted answers are in the documents' language; set strategy.answers: free"
                )
            weights |= dict.fromkeys(("unanswerable", "steps", "notes"), 0.0)
        openings: dict[Kind, str] = {"steps": self._wording["open_steps"], "notes": self._wording["open_notes"]}
        tolerated = _TOLERATED["strict" if options.facts == "strict" else options.answers]
        self._planner = Planner(config.language, weights, openings, options.wordings, tolerated)
        self.why_none = self._planner.why_none
        # The word lists decide which fact a unit is, so they are part of the version, too.
        version = f"{self._wording.digest} {shipped_text(__package__, 'words.yaml')}"
        self.digest = hashlib.sha256(version.encode()).hexdigest()[:12]
        self._next = " " + self._wording.before("read").split(":")[0] + ":"
        # The rules and examples of both requests come first in both, so a server reads them once.
        shots = self._shots("ask") + self._shots("read")
        # Where the wording is not in the documents' language, it says which language to write.
        if self._wording.source == "en.yaml" and primary(config.language) not in ("en", "any"):
            shots += self._wording.fill("language", language=language_name(config.language)) + "\n\n"
        self._rules = {"ask": shots, "read": shots}
        self._rules |= {part: self._wording[f"{part}_rules"] for part in ("free", *ANSWERED_FREELY)}

    def _for_chat(self, weights: Mapping[Kind, float]) -> Iterator[tuple[bool, str]]:
        """Yield for each option that is for strong teachers whether it is set, and what to call it."""
        yield self._options.answers == "free", "strategy.answers: free"
        yield self._options.facts == "all", "strategy.facts: all"
        yield from ((weights[kind] > 0, f"strategy.kinds: {kind}") for kind in ANSWERED_FREELY)

    def _same_language(self, tags: Sequence[str]) -> bool:
        """Return whether texts in these languages can be compared word by word with the documents."""
        return all(primary(tag) == primary(self._language) for tag in tags)

    # --- what to ask --------------------------------------------------------------------------

    def units(self, passage: Passage) -> list[str]:
        """Return the questions that a passage supports, each by its kind and place: 'closed_book:1280-1344'."""
        return list(self._planner.plan((passage,)))

    def joint_units(self, passages: Sequence[Passage]) -> list[tuple[tuple[Passage, ...], str]]:
        """Return the questions about several passages together, each with its passages."""
        return [(pair, "multi_hop") for pair in self._planner.pairs(passages)]

    def fact(self, material: Material) -> Fact:
        """Return the fact that a question of this material asks for."""
        return self._planned(material).fact

    def propose(self, material: Material) -> Prompt:
        """Return the request for the question of the material's unit; what is the same for all of them comes first."""
        planned, passage = self._planned(material), material.passages[0]
        part, fact = planned.kind if planned.kind in ANSWERED_FREELY else "ask", planned.fact
        values = {"subject": self._subject(passage) or passage.title}
        values |= {"fact": _line(fact.sentence.text), "answer": _line(fact.answer)} if part == "ask" else {}
        asked, opening = self._wording.fill(part, **values), self._opening(planned, material)
        steered, another = self._wording.steer(material.facets, self._asking.propose), planned.wording > 1
        steered += self._wording["another_chat"] if another and self._asking.propose == "chat" else ""
        prompt = self._prompt("propose", part, material.passages, asked, opening, steered, another=another)
        return replace(prompt, sample=planned.wording - 1)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the question as a candidate, or why it is none as its `error`."""
        passage = material.passages[0]
        if material.unit not in self._planner.plan(material.passages):  # asked under rules of an earlier version
            return [Candidate("", error=f"passage_gone: nothing to ask at {material.unit} of {passage.id}")]
        planned, text = self._planned(material), completion.text.strip().split("\n")[0].strip()
        fact, opening = planned.fact, self._opening(planned, material)
        # A completion continues the opening; a chat model repeats it, or begins in its own way.
        if self._asking.propose == "completions":
            text = text if fold(text).startswith(fold(opening)) else f"{opening} {text}".strip()
            # What follows a question is a small model's answer to it.
            text = re.sub(r"(?<=[?？]).*", "", text)
        question, subject = " ".join(re.sub(r"\s+([?,])", r"\1", text).split()), self._subject(passage)
        asked_in, steered = self._asked_in(material), self._wording.steer(material.facets, self._asking.propose)
        if planned.kind == "summary":
            comparable = self._same_language([asked_in])
            error = objection_to_summary(question, passage, self._language) if comparable else None
            return [Candidate(question, error=error)]
        # Another wording, a role, or the answer of two passages bring words of their own; the answers decide.
        error = objection_to(
            question,
            fact._replace(opening=opening),
            material.passages,
            subject,
            self._language,
            asked_in=asked_in,
            own_words=planned.wording > 1 or planned.kind == "multi_hop" or bool(steered),
        )
        if error:
            return [Candidate(question, error=error)]
        topic = self._topic(passage, fact) if len(material.passages) == 1 else ""
        always = fact.kind == "entry" or topic.startswith("`")
        # The wordings of one fact may be alike, also those that a later generation asks for.
        one_fact = planned.kind in ABOUT_ONE_FACT
        same = f"{passage.document} {planned._replace(wording=1).unit(passage)}" if one_fact else ""
        return [Candidate(complete(question, subject, topic, asked_in, always=always), wording_of=same)]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Answer the question from the passage alone; the example's answer is what the passage states."""
        assert candidate.material is not None
        material, planned = candidate.material, self._planned(candidate.material)
        free = self._options.answers == "free" and planned.kind in ("closed_book", "open_book")
        if free or planned.kind in ANSWERED_FREELY:
            return await self._answer_freely(candidate.instruction, material, planned, ask)
        passage = material.passages[0]
        read = await ask(self.read(candidate.instruction, passage, planned.fact))
        if read.error:
            return Development((), error=read.error)
        answer = read.text.strip().split("\n")[0].split(self._next)[0]
        if not agrees(answer, planned.fact, self._language):
            error = f"answer_differs: {answer[:80]!r} instead of {planned.fact.answer[:80]!r}"
            return Development((), error=error)
        example = self._example(candidate.instruction, passage, planned, read.key)
        return Development((example,), {"kind": planned.kind})

    async def _answer_freely(
        self, question: str, material: Material, planned: PlannedQuestion, ask: Ask
    ) -> Development:
        """Let the teacher answer, with a quote for each claim, and the judge check each claim."""
        passages, languages = material.passages, self._answers or (self._asked_in(material),)
        same, asked = self._same_language(languages), self._wording.fill("free", question=question)
        if not same:
            names = " / ".join(language_name(tag, self._wording.language) for tag in languages)
            asked += "\n" + self._wording.fill("free_language", language=names)
        answer = await ask(self._prompt("instances", "free", passages, asked))
        if answer.error:
            return Development((), error=answer.error)
        claims, error = read_claims(answer.text, passages, self._wording, self._language, same=same)
        # What two passages say together must come from both, and neither may be enough.
        if planned.kind == "multi_hop":
            error = error or sources_missing(claims, passages)
            for each in passages:
                if error is None and (read := await ask(self._read(question, each.text))):
                    none = fold(read.text) == fold(self._wording["none"])
                    error = read.error or (None if none else f"answered_by_one: {each.id}: {read.text.strip()[:80]}")
        error = error or await judge_claims(claims, passages, self._wording, self.digest, ask)
        if error:
            return Development((), error=error)
        given = passages[0].text if planned.kind in ("open_book", "summary") else ""
        example = Example.of(question, given, Response(" ".join(claim for claim, _ in claims), key=answer.key))
        evidence = tuple(quote for _, quote in claims)
        return Development((replace(example, evidence=evidence),), {"kind": planned.kind})

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
        return self._prompt("instances", "read", (), asked)

    def _prompt(
        self,
        purpose: str,
        part: str,
        passages: Sequence[Passage],
        asked: str,
        opening: str = "",
        steered: str = "",
        *,
        another: bool = False,
    ) -> Prompt:
        """Return a prompt: rules and examples, the passages, then what is asked for.

        A small model that continues text sees the fact alone, and asks about nothing else.
        """
        endpoint = self._asking.endpoint(purpose)
        sampling = self._options.propose if purpose == "propose" else self._options.instances
        published = PUBLISHED["another" if another else part]
        if endpoint == "completions":
            user, published = f"{steered}{asked} {opening}".rstrip(), replace(published, stop=("\n",))
        else:
            shown = "".join(self._wording.fill("shown", passage=each.text) + "\n" for each in passages)
            user = shown + asked + "\n" + self._wording[f"{part}_chat"]
            user += self._wording.fill("open_chat", opening=opening) if opening else ""
            user += steered
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

    def _planned(self, material: Material) -> PlannedQuestion:
        return self._planner.plan(material.passages)[material.unit]

    def _asked_in(self, material: Material) -> str:
        """Return the language of the question: what a facet asks for, else that of the documents."""
        return material.facets.get("language", self._language)

    def _opening(self, planned: PlannedQuestion, material: Material) -> str:
        """Return how the question begins; empty where the teacher decides.

        That is for another wording, in another language, and where facets say how a chat model is to ask.
        """
        steered = self._asking.propose == "chat" and self._wording.steer(material.facets, "chat")
        own = planned.wording > 1 or steered or not self._same_language([self._asked_in(material)])
        return "" if own else planned.fact.opening

    def _subject(self, passage: Passage) -> str:
        return self._options.subject or subject_of(passage, self._language)

    def _topic(self, passage: Passage, fact: Fact) -> str:
        """Return what a question is about within its subject: a term above the fact, else the heading."""
        named = fact.term and fact.kind != "entry" and not contains(fact.opening + fact.sentence.text, fact.term)
        return f"`{fact.term}`" if named else topic_of(passage, self._language)

    def _example(self, question: str, passage: Passage, planned: PlannedQuestion, key: str | None) -> Example:
        """Return the row: the sentences that answer, or that the text does not say, and for some kinds the passage."""
        quotes, given = planned.quotes(passage), passage.text if planned.kind == "open_book" else ""
        marks = {"steps": [f"{n}. " for n in range(1, len(quotes) + 1)], "notes": ["- "] * len(quotes)}
        parts = zip(marks.get(planned.kind, [""] * len(quotes)), quotes, strict=True)
        text = "\n".join(mark + _line(quote.text) for mark, quote in parts)
        if planned.fact.kind == "entry":
            text = f"{planned.fact.term}: {text}"
        if planned.kind == "unanswerable":
            given, text = "\n".join(quote.text for quote in quotes), self._wording["no_answer"]
        return replace(Example.of(question, given, Response(text, key=key)), evidence=quotes)


def excerpt(text: str, sentence: Sentence, most: int = _EXCERPT) -> str:
    """Return at most about `most` characters of a passage around a sentence, cut between words."""
    spare = max(most - len(sentence.text), 0) // 2
    start, end = max(sentence.start - spare, 0), min(sentence.end + spare, len(text))
    start = 0 if start == 0 else text.find(" ", start, sentence.start) + 1 or sentence.start
    if end < len(text):
        end = max(text.rfind(" ", sentence.end, end), sentence.end)
    return text[start:end].strip()


def _line(text: str) -> str:
    return " ".join(text.split())

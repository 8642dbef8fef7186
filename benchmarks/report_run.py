"""A run of any size for trying reports on: written straight into a journal, no teacher asked.

Instructions come from a small grammar of verbs, objects and topics; scores, refusals, tokens and times are drawn so
that the yield falls and the pool grows denser, as it does in a real run. The same size gives the same texts.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import selfinstruct as si
from selfinstruct.core.records import Example, Neighbour, Novelty
from selfinstruct.core.tasks import Verdict
from selfinstruct.journal.journal import Journal

ROOT = Path(__file__).parents[1]
TASKS = 17
"""Tasks in an answer, as Alpaca asks for."""

_VERBS = """write story|write poem|write email|write review|write paragraph|create list|create recipe|create slogan
create table|generate list|generate sentence|generate question|generate title|explain concept|explain difference
explain process|explain reason|describe scene|describe process|describe place|give example|give advice|give reason
give definition|find synonym|find error|find word|make list|make plan|make comparison|identify noun|identify theme
identify tone|design logo|design experiment|suggest name|suggest activity|suggest title|classify sentence
classify animal|rewrite sentence|rewrite paragraph|edit sentence|edit text|summarize article|summarize text
summarize argument|compare method|compare city|compare product|list step|list country|list advantage|name river
name author|calculate area|calculate price|convert unit|convert sentence|construct argument|construct sentence
analyze poem|analyze data|evaluate claim|evaluate source|provide example|provide summary|translate sentence"""
_TOPICS = """winter sailing|public libraries|a broken bicycle|the water cycle|old photographs|city gardens|night trains
a shy neighbour|fermented food|small islands|chess openings|rainy weekends|honest advertising|the history of tea
learning the violin|mountain huts|a school newspaper|urban foxes|lost luggage|solar eclipses|hand-made paper
a village bakery|climate policy|remote work|paper maps|river ferries|the periodic table|medieval bridges|street markets
sleep and memory|coral reefs|train timetables|a family recipe|voting systems|stage fright|board games|volcanic soil
desert plants|ancient coins|lighthouse keepers|bird migration|household budgets|polite disagreement|night photography"""
_MANNERS = """for a ten-year-old|in plain words|with two examples|in exactly three sentences|as a dialogue
for a newsletter|without any jargon|with a surprising end|for a busy reader|from the view of a visitor|in a formal tone
as a short list|for people who doubt it|with one comparison|in the present tense|for a radio programme
before the end of the week"""
_REASONS = (("too_short", 3), ("keyword", 6), ("prefix", 2), ("not_ascii_start", 1), ("punctuation_start", 1))

_COPIED = "generation, purpose, prompt, version, text, finish_reason, failed, teacher, model, cached_tokens, latency_s"
_COPY_ANSWER = (
    "INSERT INTO answers (key, question, demos, prompt_tokens, completion_tokens, cost_usd, asked_at, requests,"
    f" {_COPIED}) SELECT ?, ?, ?, ?, ?, ?, ?, 1, {_COPIED} FROM answers WHERE key = 'p:0'"
)
"""Copies the answer to question 0, with other demonstrations, tokens, cost and time."""


def make_run(folder: Path, records: int) -> si.Run:
    """A run of so many records and about as many thirds of refused candidates, without asking any teacher."""
    config = si.RunConfig.parse(
        {"seeds": str(ROOT / "seeds" / "en.jsonl"), "run_dir": str(folder), "target": 20, "teacher": {"kind": "fake"}}
    )
    si.run(config, export=False)
    grow(folder, records)
    return si.Run(folder)


def grow(folder: Path, records: int) -> None:
    """Fill the journal of a small run up with records and refusals, in a day's work."""
    journal = Journal(folder / "journal.sqlite")
    run, model = si.Run(folder), next(journal.records(1))
    draw, words = random.Random(1), _Words(random.Random(2))
    (asked,) = journal.query("SELECT max(question) + 1 FROM answers")[0]
    made, question, started = 0, asked, time.time() - 86_400
    rows: list[Any] = []
    known = [record.id for record in journal.records()]
    while made < records:
        brought = max(3, round(TASKS * (0.9 - 0.45 * made / records)))
        for index in range(TASKS):
            text = words.instruction()
            score = min(max(draw.gauss(0.42 + 0.12 * made / records, 0.13), 0.05), 0.7)
            near = Neighbour(draw.choice(known[-4000:]), score)
            if index < brought and made < records:
                id = f"{run.id}-{question}-{index}"
                journal.ledger.note(question, index, "admission", 0, text, Verdict(score=score, nearest=near.id))
                given = words.text(12) if draw.random() < 0.4 else ""
                answer = replace(model.examples[0].responses[0], text=words.text(60))
                journal.ledger.keep(
                    replace(
                        model,
                        id=id,
                        question=question,
                        index=index,
                        instruction=text,
                        examples=(Example.of(text, given, answer),),
                        novelty=Novelty(near),
                    )
                )
                known.append(id)
                made += 1
            elif draw.random() < 0.75:
                verdict = Verdict("too_similar", score=min(0.701 + abs(draw.gauss(0, 0.12)), 1.0), nearest=near.id)
                journal.ledger.note(question, index, "novelty", 0, text, verdict)
            else:
                reason = draw.choices([name for name, _ in _REASONS], [weight for _, weight in _REASONS])[0]
                journal.ledger.note(question, index, "filter", 0, text, Verdict(reason, "made for this benchmark"))
        rows.append((_COPY_ANSWER, _answer(question, started + 86_400 * made / records, draw)))
        question += 1
        if question % 50 == 0:
            journal.flush()
    journal._store.at_once(rows)
    journal.set_meta(target=str(records), outcome=json.dumps(["target", f"{records:,} records", 0]))
    journal.close()


def _answer(question: int, at: float, draw: random.Random) -> tuple[Any, ...]:
    """The values of `_COPY_ANSWER` for a question that was asked at a time."""
    demos = json.dumps([f"seed_task_{number}" for number in draw.sample(range(175), 3)])
    return f"p:{question}", question, demos, draw.randrange(700, 1100), draw.randrange(1200, 2000), 0.0012, at


class _Words:
    """A small grammar of instructions."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._verbs = [pair.split() for line in _VERBS.splitlines() for pair in line.split("|")]
        self._weights = [1 / (1 + number % 23) for number in range(len(self._verbs))]
        self._topics = [topic for line in _TOPICS.splitlines() for topic in line.split("|")]
        self._manners = [manner for line in _MANNERS.splitlines() for manner in line.split("|")]

    def instruction(self) -> str:
        verb, noun = self._draw.choices(self._verbs, self._weights)[0]
        one, two = self._draw.sample(self._topics, 2)
        manner = self._draw.choice(self._manners)
        return f"{verb.capitalize()} a {noun} about {one} and {two}, number {self._draw.randrange(10_000)}, {manner}."

    def text(self, words: int) -> str:
        count = max(3, round(self._draw.lognormvariate(0, 0.6) * words))
        found = " ".join(self._draw.choice(self._topics) for _ in range(count)).split()[:count]
        return " ".join(found).capitalize() + "."

"""The card's figures, all from the journal: counts at every stage, reasons, distributions, scripts, costs."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import regex

from ..core.tasks import Record
from ..core.tokens import tokenize
from ..journal.provenance import Share, Spent
from ..journal.snapshot import Snapshot
from ..journal.status import Status
from .linguistics import WordList, languages, verb_nouns

_BAR = 24
"""Characters of a histogram's longest bar."""
_SCRIPTS = "Latin Han Hiragana Katakana Hangul Cyrillic Greek Arabic Hebrew Devanagari Bengali Tamil Thai".split()
_WORDS = (1, 5, 10, 15, 20, 30, 50, 100, 200)
_CHARACTERS = (1, 25, 50, 100, 200, 400, 800, 1600, 3200)
_STAGES = {
    "answer": "answers that no task could be read from",
    "filter": "tasks refused by filters",
    "novelty": "tasks refused as too similar to seeds or pool",
    "instance": "admitted tasks left without an instance",
}


def counts(snapshot: Snapshot) -> str:
    """Markdown: how many came to every stage, and the reasons of those that went no further."""
    status, reasons = snapshot.status, snapshot.rejections()
    by_stage = Counter[str]()
    for stage, _, count in reasons:
        by_stage[stage] += count
    by_stage["instance"] = snapshot.tasks_without_instances()
    rows = [
        ("questions for new tasks", status.questions),
        (f"- {_STAGES['answer']}", by_stage["answer"]),
        ("tasks read from the answers", status.proposed),
        (f"- {_STAGES['filter']}", by_stage["filter"]),
        (f"- {_STAGES['novelty']}", by_stage["novelty"]),
        ("tasks admitted", status.admitted),
        (f"- {_STAGES['instance']}", by_stage["instance"]),
        ("records finished", snapshot.finished()),
        ("records of this dataset", status.records),
    ]
    text = _table(("stage", "count"), [(name, f"{count:,}") for name, count in rows])
    text += f"\nAcceptance: {status.acceptance:.1%} of the tasks read.\n"
    if reasons:
        refused = [(stage, f"`{_word(reason)}`", f"{count:,}") for stage, reason, count in reasons]
        text += "\nRefused, by reason (every one is in the run's journal; of instances, each one refused counts):\n\n"
        text += _table(("stage", "reason", "count"), refused)
    return text


def distributions(records: Sequence[Record], limit: float) -> str:
    """Markdown: novelty, lengths and numbers of instances; limit: the highest similarity that is kept."""
    if not records:
        return ""
    similar = [record.nearest.score if record.nearest else 0.0 for record in records]
    instances = [instance for record in records for instance in record.instances]
    given = [instance.input for instance in instances if instance.input]
    parts = [
        f"ROUGE-L F to the nearest seed or earlier task at admission (0 is all new; above {limit:g} is refused):",
        _histogram(similar, [step / 10 for step in range(11)], "{:.1f}"),
        "Length of the instructions in words (one a character in scripts without blanks):",
        _histogram([len(tokenize(record.instruction)) for record in records], _WORDS),
        f"Length of the inputs in characters ({len(given):,} of {len(instances):,} instances have one):",
        _histogram([len(text) for text in given], _CHARACTERS),
        "Length of the outputs in characters:",
        _histogram([len(instance.output) for instance in instances], _CHARACTERS),
        "Instances of a record:",
        _counted(Counter(str(len(record.instances)) for record in records), len(records)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def scripts(records: Sequence[Record]) -> str:
    """Markdown: records by the script that most letters of instruction and first output are of. Not a language test."""
    return _counted(Counter(map(_script, records)), len(records))


def verbs(records: Sequence[Record]) -> str:
    """Markdown: the root verbs of the instructions and their most frequent objects, as the word list finds them."""
    found = verb_nouns([record.instruction for record in records], WordList())
    objects = [", ".join(_word(noun) for noun, _ in each.nouns) for each in found.verbs]
    rows = [(_word(each.verb), f"{each.count:,}", nouns) for each, nouns in zip(found.verbs, objects, strict=True)]
    text = (
        f"{found.with_noun:,} of {found.records:,} instructions have a verb and a direct object that were found by "
        f"{found.found_by}; {found.distinct:,} pairs are distinct."
    )
    return f"{text}\n\n{_table(('verb', 'records', 'objects'), rows)}" if rows else text


def guessed_languages(records: Sequence[Record], most: int = 12) -> str:
    """Markdown: records by language."""
    found = languages(records)
    total = sum(count for _, count in found)
    return _counted(Counter(dict(found[:most])), total)


def sampling(snapshot: Snapshot) -> str:
    """Markdown: endpoint and decoding parameters of the questions as they were sent. Stops differ by question."""
    rows = snapshot.sampling_by_purpose()
    named = [(purpose, endpoint, _settings(sent), f"{count:,}") for purpose, endpoint, sent, count in rows]
    return _table(("purpose", "endpoint", "sampling", "questions"), named)


def costs(status: Status, spent: Spent) -> str:
    """Markdown: what was used for what, and where it went."""
    dollars = "not known" if status.cost_usd is None else f"${status.cost_usd:,.4f}"
    source = f" (prices: {status.price_source})" if status.cost_usd is not None and status.price_source else ""
    rows = [
        (
            purpose,
            f"{used['requests']:,.0f}",
            f"{used['prompt_tokens']:,.0f}",
            f"{used['completion_tokens']:,.0f}",
            "" if status.cost_usd is None else f"${used['cost_usd']:,.4f}",
        )
        for purpose, used in status.by_purpose.items()
    ]
    whole = (f"{status.requests:,}", f"{status.prompt_tokens:,}", f"{status.completion_tokens:,}")
    rows.append(("all", *whole, "" if status.cost_usd is None else dollars))
    each = status.cost_per_record_usd
    text = f"Cost of this run: {dollars}{source}" + (f", ${each:,.6f} a record" if each is not None else "")
    text += f"; {status.unanswered:,} of {status.asked:,} questions got no answer.\n\n"
    text += _table(("asked for", "requests", "prompt tokens", "generated tokens", "dollars"), rows)
    named = (
        ("records of this dataset", spent.records),
        ("tasks that are no records of it", spent.refused),
        ("answers that no task was read from", spent.without_task),
        ("finding out how to ask", spent.probes),
        ("all", spent.total),
    )
    text += "\nWhere it went, answers taken over from other runs included:\n\n"
    return text + _table(("into", "prompt tokens", "generated tokens", "dollars"), [(n, *_share(s)) for n, s in named])


def _share(share: Share) -> tuple[str, str, str]:
    dollars = "not known" if share.cost_usd is None else f"${share.cost_usd:,.4f}"
    return f"{share.prompt_tokens:,.0f}", f"{share.completion_tokens:,.0f}", dollars


def _histogram(values: Sequence[float], edges: Sequence[float], form: str = "{:g}") -> str:
    """Counts from edge to edge as a table with bars; what is below the first or from the last on stands at the ends."""
    if not values:
        return ""
    bounds = [float("-inf"), *edges, float("inf")]
    found = [sum(low <= value < high for value in values) for low, high in itertools.pairwise(bounds)]
    names = [f"below {form.format(edges[0])}"]
    names += [f"{form.format(a)} to {form.format(b)}" for a, b in itertools.pairwise(edges)]
    names.append(f"from {form.format(edges[-1])}")
    return _bars([(name, count) for name, count in zip(names, found, strict=True) if count], len(values))


def _counted(found: Counter[str], of: int) -> str:
    return _bars(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])), of)


def _bars(rows: Sequence[tuple[str, int]], of: int) -> str:
    longest = max((count for _, count in rows), default=1)
    body = [(name, f"{count:,}", f"{count / of:.1%}", "█" * max(1, _BAR * count // longest)) for name, count in rows]
    return _table(("", "count", "share", ""), body).rstrip("\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _settings(sent: str) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in json.loads(sent).items()) or "the server's own"


def _word(reason: str) -> str:
    """A reason of somebody's own check, where nothing of it can act as markup."""
    return regex.sub(r"[^\w .-]", "?", reason)


@lru_cache(maxsize=1)
def _letters() -> list[tuple[str, regex.Pattern[str]]]:
    return [(name, regex.compile(rf"\p{{Script={name}}}")) for name in _SCRIPTS]


def _script(record: Record) -> str:
    text = f"{record.instruction} {record.instances[0].output[:1000]}"
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else "none"
    found = Counter({name: len(pattern.findall(text)) for name, pattern in _letters()})
    kana = found["Hiragana"] + found["Katakana"]
    if kana:  # Japanese mixes them with Han
        return "Han and kana"
    name, count = max(found.items(), key=lambda pair: pair[1])
    return name if count else "other"

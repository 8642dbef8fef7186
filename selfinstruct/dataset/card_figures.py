"""Format a card's figures as Markdown, all from the journal: counts by stage, distributions, scripts, verbs, costs."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from ..core.counted import dollars, dollars_per_1000_records
from ..core.records import Record
from ..core.reviews import audits_of
from ..core.tokens import tokenize
from ..journal.provenance import Share, Spent
from ..journal.snapshot import Snapshot
from ..journal.status import Status
from .card_words import escape_cell
from .linguistics import WordList, languages, suited, verb_nouns

# Characters in the longest bar of a histogram.
_BAR = 24
_REFUSED = regex.compile(r"\d+: (?:sample \d+: )?(\w+(?: by \w+)?): ")
_SCRIPTS = "Latin Han Hiragana Katakana Hangul Cyrillic Greek Arabic Hebrew Devanagari Bengali Tamil Thai".split()
# Edges of the bins of a histogram.
_WORDS = (1, 5, 10, 15, 20, 30, 50, 100, 200)
_CHARACTERS = (1, 25, 50, 100, 200, 400, 800, 1600, 3200)


def stages(snapshot: Snapshot) -> list[tuple[str, int]]:
    """Return how many tasks reached each stage. A name that begins with '-' explains the difference around it."""
    status, by_stage = snapshot.status, Counter[str]()
    for stage, _, count in snapshot.rejections():
        by_stage[stage] += count
    return [
        ("questions for new tasks", status.questions),
        ("- answers without a task", by_stage["answer"]),
        ("tasks proposed", status.proposed),
        ("- refused by filters", by_stage["filter"]),
        ("- refused as too similar to a seed or an earlier task", by_stage["novelty"]),
        ("tasks admitted", status.admitted),
        ("- without an instance after the checks", snapshot.tasks_without_instances()),
        *([("- rejected by reviewers", by_stage["review"])] if by_stage["review"] else []),
        ("records finished", snapshot.finished()),
        ("records in this dataset", status.records),
    ]


def counts(snapshot: Snapshot) -> str:
    """Tabulate how many tasks reached each stage, and the reasons of refusals."""
    status, reasons = snapshot.status, snapshot.rejections()
    text = _table(("stage", "count"), [(name, f"{count:,}") for name, count in stages(snapshot)])
    text += f"\nAcceptance: {status.acceptance:.1%} of the proposed tasks.\n"
    if reasons:
        refused = [(stage, f"`{_sanitize(reason)}`", f"{count:,}") for stage, reason, count in reasons]
        text += "\nRefusals by reason (each refused instance counts; the run's journal contains every refusal):\n\n"
        text += _table(("stage", "reason", "count"), refused)
    return text


@dataclass(frozen=True, slots=True)
class Verified:
    """The answers that one verifier checked, those that it found right, and the records with its ground truths.

    verifier: its name, such as 'maths'; 'maths by agreement' where the teacher's answers agreed on the ground truth.
    """

    verifier: str
    answers: int
    right: int
    records: int

    @property
    def share(self) -> float:
        """The share of right answers, 0 to 1."""
        return self.right / self.answers if self.answers else 0.0


def verified(snapshot: Snapshot) -> list[Verified]:
    """Count the answers that programs checked, by verifier: those of records, and the refused ones of other tasks."""
    answers, right, records = Counter[str](), Counter[str](), Counter[str]()
    for record in snapshot.records:
        for example in record.examples:
            if example.ground_truth is not None:
                found = [each.verified for each in (*example.responses, *example.others)]
                answers[example.ground_truth.name] += len(found) - found.count(None)
                right[example.ground_truth.name] += found.count(True)
        records.update({each.ground_truth.name for each in record.examples if each.ground_truth})
    for row in snapshot.instance_verdicts():
        # '1: maths: the answer is ...', '1: sample 2: maths: the answer is ...'
        if row.reason == "wrong_answer" and (named := _REFUSED.match(row.detail)):
            answers[named[1]] += 1
    return [Verified(name, answers[name], right[name], records[name]) for name in sorted(answers)]


def verification(found: Sequence[Verified]) -> str:
    """Tabulate what programs checked."""
    rows = [
        (f"`{_sanitize(each.verifier)}`", f"{each.answers:,}", f"{each.share:.1%}", f"{each.records:,}")
        for each in found
    ]
    return _table(("verifier", "answers checked", "right", "records"), rows)


def decisions(snapshot: Snapshot) -> tuple[int, int, int]:
    """Return how many records people accepted, how many of these they edited, and how many others they rejected."""
    accepted = [each.reviewed for each in snapshot.records if each.reviewed]
    rejected = sum(count for stage, _, count in snapshot.rejections() if stage == "review")
    return len(accepted), sum(bool(each.edited_by) for each in accepted), rejected


def audit_lines(snapshot: Snapshot) -> list[str]:
    """Return what random samples showed: shares with their intervals, and the agreement of reviewers."""
    return [line for audit in audits_of(snapshot.journal.reviews.all()) for line in audit.lines]


def reviews(snapshot: Snapshot) -> str:
    """State what people decided about records, and what their random samples showed; empty without reviews."""
    if not snapshot.journal.reviews.all():
        return ""
    accepted, edited, rejected = decisions(snapshot)
    text = (
        f"People accepted {accepted:,} of the {len(snapshot.records):,} records, and wrote texts of {edited:,} of "
        f"them (column `edited_by`). They rejected {rejected:,} others, which further records replace. An edited text "
        "passed no check and was not compared with other tasks.\n"
    )
    if audits := "".join(f"- {escape_cell(line)}\n" for line in audit_lines(snapshot)):
        text += f"\nRandom samples of the records as generated, before any was rejected or edited:\n\n{audits}"
    return text


def distributions(records: Sequence[Record], limit: float) -> str:
    """Draw histograms of novelty, lengths and numbers of examples. limit: the run's `max_similarity`."""
    if not records:
        return ""
    similar = [record.novelty.nearest.score if record.novelty.nearest else 0.0 for record in records]
    examples = [example for record in records for example in record.examples]
    inputs = [example.input for example in examples if example.input]
    parts = [
        "ROUGE-L F to the nearest seed or earlier task at admission (0: no words in common; "
        f"above {limit:g}: refused):",
        _histogram(similar, [step / 10 for step in range(11)], "{:.1f}"),
        "Length of the instructions in words (in characters for scripts without spaces):",
        _histogram([len(tokenize(record.instruction)) for record in records], _WORDS),
        f"Length of the inputs in characters ({len(inputs):,} of {len(examples):,} examples have an input):",
        _histogram([len(text) for text in inputs], _CHARACTERS),
        "Length of the outputs in characters:",
        _histogram([len(example.output) for example in examples], _CHARACTERS),
        "Examples per record:",
        _count_bars(Counter(str(len(record.examples)) for record in records), len(records)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def scripts(records: Sequence[Record]) -> str:
    """Count records by the script of most letters in instruction and first output. This doesn't detect languages."""
    return _count_bars(Counter(map(_script, records)), len(records))


def verbs(records: Sequence[Record], language: str) -> str:
    """Tabulate the root verbs of the instructions and their most frequent objects, found by the word list."""
    found = verb_nouns([record.instruction for record in records], suited(WordList(), language))
    if records and not found.parsed:
        return "Verbs and objects are found in English and Chinese instructions only."
    rows = [
        (_sanitize(each.verb), f"{each.count:,}", ", ".join(_sanitize(noun) for noun, _ in each.nouns))
        for each in found.verbs
    ]
    text = (
        f"{found.with_noun:,} of {found.records:,} instructions have a verb and a direct object, according to "
        f"{found.found_by}; {found.distinct:,} pairs are distinct."
    )
    return f"{text}\n\n{_table(('verb', 'records', 'objects'), rows)}" if rows else text


def coverage(snapshot: Snapshot) -> str:
    """Tabulate the share of each value of each facet, requested and obtained."""
    rows = [
        (
            _sanitize(each.facet.replace(", ", " and ")),
            _sanitize(each.value.replace(" > ", " - ").replace(", ", " and ")),
            "" if each.requested is None else f"{each.requested:.1%}",
            f"{each.obtained:.1%}",
            f"{each.records:,}",
            each.why_starved,
        )
        for each in snapshot.coverage
    ]
    return _table(("facet", "value", "requested", "obtained", "records", ""), rows)


def detected_languages(records: Sequence[Record], most: int = 12) -> str:
    """Count records by language; only the `most` frequent ones."""
    found = languages(records)
    total = sum(count for _, count in found)
    return _count_bars(Counter(dict(found[:most])), total)


def sampling(snapshot: Snapshot) -> str:
    """Tabulate endpoint and decoding parameters by purpose, without stop sequences, which differ by question."""
    rows = snapshot.sampling_by_purpose()
    named = [(purpose, endpoint, _parameters(sent), f"{count:,}") for purpose, endpoint, sent, count in rows]
    return _table(("purpose", "endpoint", "sampling", "questions"), named)


def costs(status: Status, spent: Spent) -> str:
    """Tabulate requests, tokens and dollars by purpose, and by what became of the answers."""
    # By purpose: the cost of this run's own requests.
    cost = dollars(status.cost_usd)
    source = f" (prices: {status.price_source})" if status.cost_usd is not None and status.price_source else ""
    rows = [
        (
            purpose,
            f"{used['requests']:,.0f}",
            f"{used['prompt_tokens']:,.0f}",
            f"{used['completion_tokens']:,.0f}",
            "" if status.cost_usd is None else dollars(used["cost_usd"]),
        )
        for purpose, used in status.by_purpose.items()
    ]
    total = (f"{status.requests:,}", f"{status.prompt_tokens:,}", f"{status.completion_tokens:,}")
    rows.append(("total", *total, "" if status.cost_usd is None else cost))
    each = status.cost_per_record_usd
    text = f"Cost of this run: {cost}{source}" + (f", {dollars_per_1000_records(each)}" if each else "")
    text += f"; {status.unanswered:,} of {status.asked:,} questions got no answer.\n\n"
    if status.assumed:
        text += (
            f"{status.assumed:,} of the requests count with the most that they may have cost, because the teacher sent "
            "no answer or no credible token counts.\n\n"
        )
    text += _table(("purpose", "requests", "prompt tokens", "generated tokens", "dollars"), rows)
    # By result: the same, plus the cost of answers that other runs paid for.
    results = (
        ("records in this dataset", spent.records),
        ("tasks that are not in this dataset", spent.refused),
        ("answers without a task", spent.without_task),
        ("probing the teacher", spent.probes),
        ("total", spent.total),
    )
    text += "\nWhat the tokens were used for, including answers reused from other runs:\n\n"
    head = ("used for", "prompt tokens", "generated tokens", "dollars")
    return text + _table(head, [(name, *_share(share)) for name, share in results])


def _share(share: Share) -> tuple[str, str, str]:
    return f"{share.prompt_tokens:,.0f}", f"{share.completion_tokens:,.0f}", dollars(share.cost_usd)


def _histogram(values: Sequence[float], edges: Sequence[float], form: str = "{:g}") -> str:
    """Count values between edges, below the first, and above the last; empty bins are left out."""
    if not values:
        return ""
    bounds = [float("-inf"), *edges, float("inf")]
    bins = [sum(low <= value < high for value in values) for low, high in itertools.pairwise(bounds)]
    names = [f"below {form.format(edges[0])}"]
    names += [f"{form.format(a)} to {form.format(b)}" for a, b in itertools.pairwise(edges)]
    names.append(f"{form.format(edges[-1])} or more")
    return _bars([(name, count) for name, count in zip(names, bins, strict=True) if count], len(values))


def _count_bars(found: Counter[str], of: int) -> str:
    return _bars(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])), of)


def _bars(rows: Sequence[tuple[str, int]], of: int) -> str:
    longest = max((count for _, count in rows), default=1)
    body = [(name, f"{count:,}", f"{count / of:.1%}", "█" * max(1, _BAR * count // longest)) for name, count in rows]
    return _table(("", "count", "share", ""), body).rstrip("\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _parameters(sent: str) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in json.loads(sent).items()) or "the server's defaults"


def _sanitize(word: str) -> str:
    """Remove all markup from a word, which may come from a custom check or from a model."""
    return regex.sub(r"[^\w .-]", "?", word)


@lru_cache(maxsize=1)
def _letters() -> list[tuple[str, regex.Pattern[str]]]:
    return [(name, regex.compile(rf"\p{{Script={name}}}")) for name in _SCRIPTS]


def _script(record: Record) -> str:
    # The beginning of a long output is enough to find its script.
    text = f"{record.instruction} {record.examples[0].output[:1000]}"
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else "none"
    found = Counter({name: len(pattern.findall(text)) for name, pattern in _letters()})
    # Japanese text mixes kana with Han.
    if found["Hiragana"] + found["Katakana"]:
        return "Han and kana"
    name, count = max(found.items(), key=lambda pair: pair[1])
    return name if count else "other"

"""What a report shows as tables whose rows have a bar each, and its key figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .charts import dollars
from .figures import Figures


@dataclass(frozen=True, slots=True)
class Bar:
    """A name, its figures in words, one for each column, and how long its bar is, 0 to 1. note: stands under it."""

    name: str
    figures: tuple[str, ...]
    length: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class BarTable:
    """title: what is seen in it. columns: the name's and the figures'. monospace: names are code."""

    title: str
    columns: tuple[str, ...]
    bars: tuple[Bar, ...]
    note: str = ""
    monospace: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A figure that stands at the top of the page."""

    name: str
    value: str
    note: str = ""


_SEEDS = 15
_STAGES = {"answer": "the answer", "filter": "a filter", "novelty": "novelty", "instance": "an instance"}


def key_figures(figures: Figures) -> tuple[Key, ...]:
    """What one wants to know first."""
    now, novelty = figures.status, figures.scores.mean_novelty
    tokens = now.prompt_tokens + now.completion_tokens
    each = now.cost_per_record_usd
    return (
        Key("records", f"{now.records:,}", f"of {now.target:,}"),
        Key("admitted", f"{now.acceptance:.1%}", f"{now.admitted:,} of {now.proposed:,} proposed"),
        Key("mean novelty", "–" if novelty is None else f"{novelty:.3f}", "1 − ROUGE-L F to the nearest"),
        Key("tokens per record", f"{tokens / now.records:,.0f}" if now.records else "–", f"{tokens:,} in all"),
        Key(
            "cost",
            "not known" if now.cost_usd is None else dollars(now.cost_usd),
            "" if each is None else f"{dollars(each)} per record",
        ),
    )


def reasons(figures: Figures) -> BarTable:
    """Every reason of refusal. Shares are of all tasks that were proposed, except those of answers and instances."""
    found = figures.reasons
    total, proposed = sum(reason.count for reason in found), figures.status.proposed
    top = max(found, key=lambda reason: reason.count, default=None)
    title = f"{total:,} refusals; the most frequent reason is {top.name}" if top else "Nothing was refused"
    longest = max((reason.count for reason in found), default=1)
    return BarTable(
        title,
        ("reason", "refused by", "count", "of all proposed"),
        tuple(
            Bar(
                reason.name,
                (
                    _STAGES[reason.stage],
                    f"{reason.count:,}",
                    _share(reason.count, proposed) if reason.stage in ("filter", "novelty") else "",
                ),
                reason.count / longest,
            )
            for reason in found
        ),
        monospace=True,
    )


def languages(figures: Figures) -> BarTable:
    """The languages of the records."""
    total = sum(language.count for language in figures.languages)
    first = figures.languages[0] if total else None
    title = f"{_share(first.count, total)} are in the language {first.name}" if first else "No records yet"
    note = "As py3langid takes instruction, input and output together; short texts may be taken for another language."
    if total < figures.status.records:
        note += f" In a fixed draw of {total:,} of the {figures.status.records:,} records."
    shown = figures.languages[:12]
    rest = total - sum(language.count for language in shown)
    counts = [(language.name, language.count) for language in shown] + ([("others", rest)] if rest else [])
    return BarTable(title, ("language", "records", "share"), _counted(counts, total), note)


def classification(figures: Figures) -> BarTable:
    """How many records are classification tasks."""
    yes, no, unknown = figures.classification
    if not yes + no:
        title = "Nobody has asked which tasks are classifications" if unknown else "No records yet"
        return BarTable(title, ("classification", "records", "share"), (), "The strategy self_instruct asks it.")
    counts = [("yes", yes), ("no", no)] + ([("not asked", unknown)] if unknown else [])
    title = f"{_share(yes, yes + no)} are classification tasks"
    return BarTable(title, ("classification", "records", "share"), _counted(counts, yes + no + unknown))


def purposes(figures: Figures) -> BarTable:
    """What the tokens were used for, each purpose by one record."""
    now = figures.status
    tokens = {name: used["prompt_tokens"] + used["completion_tokens"] for name, used in now.by_purpose.items()}
    total, longest = sum(tokens.values()), max(tokens.values(), default=0) or 1
    each = (
        f"{total / now.records:,.0f} tokens for each record" if now.records else f"{total:,.0f} tokens, no record yet"
    )
    priced = now.cost_usd is not None
    columns = ("asked for", "requests", "prompt", "answers", "per record") + (("dollars",) if priced else ())
    bars = tuple(
        Bar(
            name,
            (
                f"{used['requests']:,.0f}",
                f"{used['prompt_tokens']:,.0f}",
                f"{used['completion_tokens']:,.0f}",
                f"{tokens[name] / now.records:,.0f}" if now.records else "–",
                *((f"{used['cost_usd']:,.4f}",) if priced else ()),
            ),
            tokens[name] / longest,
        )
        for name, used in now.by_purpose.items()
    )
    return BarTable(each, columns, bars, "Everything that was refused for a record is counted with it.")


def seeds(figures: Figures) -> BarTable:
    """The seed tasks that yield most."""
    found = figures.seeds
    if not found:
        return BarTable("No seed task was shown yet", ("seed", "shown", "admitted", "per question"), ())
    best, longest = found[0], found[0].per_question or 1
    title = f"{best.id} yields most: {best.per_question:.1f} new tasks a question"
    note = (
        f"The first {min(_SEEDS, len(found))} of {len(found)} seeds that were shown at least half as often as the "
        "median one. Each question shows several, so a rate tells of the company, too."
    )
    bars = tuple(
        Bar(
            seed.id,
            (f"{seed.shown:,}", f"{seed.admitted:,}", f"{seed.per_question:.2f}"),
            seed.per_question / longest,
            _shortened(seed.instruction or ""),
        )
        for seed in found[:_SEEDS]
    )
    return BarTable(title, ("seed", "shown", "admitted", "per question"), bars, note)


def _counted(counts: Sequence[tuple[str, int]], total: int) -> tuple[Bar, ...]:
    return tuple(Bar(name, (f"{n:,}", _share(n, total)), n / total if total else 0.0) for name, n in counts)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"


def _shortened(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def tables_of(figures: Figures) -> dict[str, BarTable]:
    """All of them, by name."""
    return {make.__name__: make(figures) for make in (reasons, languages, classification, purposes, seeds)}

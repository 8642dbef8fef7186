"""The key figures of a report, and its tables with a bar in each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.counted import dollars, dollars_per_1000_records
from .figures import Figures


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: name, one formatted figure per column, and length of the bar, 0 to 1. note: text under the name."""

    name: str
    figures: tuple[str, ...]
    length: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class BarTable:
    """A table. title: what it shows. columns: headings of the name and the figures. monospace: names are code."""

    title: str
    columns: tuple[str, ...]
    bars: tuple[Bar, ...]
    note: str = ""
    monospace: bool = False


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure at the top of the page."""

    name: str
    value: str
    note: str = ""


# Maximum number of seeds in the table.
_SEEDS = 15


def key_figures(figures: Figures) -> tuple[KeyFigure, ...]:
    """Return the figures to read first."""
    now, novelty = figures.status, figures.scores.mean_novelty
    tokens = now.prompt_tokens + now.completion_tokens
    each = now.cost_per_record_usd
    return (
        KeyFigure("records", f"{now.records:,}", f"of {now.target:,}"),
        KeyFigure("admitted", f"{now.acceptance:.1%}", f"{now.admitted:,} of {now.proposed:,} proposed"),
        KeyFigure("mean novelty", "–" if novelty is None else f"{novelty:.3f}", "1 − ROUGE-L F to the nearest text"),
        KeyFigure("tokens per record", f"{tokens / now.records:,.0f}" if now.records else "–", f"{tokens:,} in total"),
        KeyFigure(
            "cost",
            dollars(now.cost_usd),
            "" if each is None else dollars_per_1000_records(each),
        ),
    )


def reasons(figures: Figures) -> BarTable:
    """Tabulate the reasons of refusals."""
    total, proposed = sum(reason.count for reason in figures.reasons), figures.status.proposed
    top = max(figures.reasons, key=lambda reason: reason.count, default=None)
    title = f"{total:,} refusals; the most frequent reason is {top.name}" if top else "Nothing was refused"
    longest = top.count if top else 1
    bars = []
    for reason in figures.reasons:
        # Refused answers and instances are no share of the proposed tasks.
        share = _share(reason.count, proposed) if reason.stage in ("filter", "novelty") else ""
        bars.append(Bar(reason.name, (reason.stage, f"{reason.count:,}", share), reason.count / longest))
    return BarTable(title, ("reason", "stage", "count", "share of proposed"), tuple(bars), monospace=True)


def languages(figures: Figures) -> BarTable:
    """Tabulate the languages of the records."""
    total = sum(language.count for language in figures.languages)
    first = figures.languages[0] if total else None
    title = f"{_share(first.count, total)} of records are in the language {first.name}" if first else "No records yet"
    note = "Detected by py3langid from instruction, input and output together; short texts are often misclassified."
    if total < figures.status.records:
        note += f" From a fixed sample of {total:,} of the {figures.status.records:,} records."
    # Sum up the languages that don't fit.
    shown = figures.languages[:12]
    rest = total - sum(language.count for language in shown)
    counts = [(language.name, language.count) for language in shown] + ([("others", rest)] if rest else [])
    return BarTable(title, ("language", "records", "share"), _count_bars(counts, total), note)


def classification(figures: Figures) -> BarTable:
    """Tabulate how many records are classification tasks."""
    yes, no, unknown = figures.classification
    columns = ("classification", "records", "share")
    if not yes + no:
        title = "Classification tasks are not labeled" if unknown else "No records yet"
        return BarTable(title, columns, (), "Only the strategy self_instruct labels them.")
    counts = [("yes", yes), ("no", no)] + ([("not labeled", unknown)] if unknown else [])
    title = f"{_share(yes, yes + no)} of records are classification tasks"
    return BarTable(title, columns, _count_bars(counts, yes + no + unknown))


def verified(figures: Figures) -> BarTable:
    """Tabulate the answers that programs checked."""
    answers, right = (sum(getattr(each, name) for each in figures.verified) for name in ("answers", "right"))
    title = f"{_share(right, answers)} of {answers:,} answers that programs checked are right"
    bars = tuple(
        Bar(each.verifier, (f"{each.answers:,}", f"{each.right:,}", _share(each.right, each.answers)), each.share)
        for each in figures.verified
    )
    note = "A right answer agrees with the ground truth of its task; see the dataset's card for what that shows."
    if any(" by " in each.verifier for each in figures.verified):
        note += " By agreement: the ground truth is what most of the teacher's own answers say."
    return BarTable(title, ("verifier", "answers", "right", "share"), bars, note, monospace=True)


def dialogues(figures: Figures) -> BarTable:
    """Tabulate how dialogues ended."""
    counts = [(ending.name, ending.count) for ending in figures.endings]
    title = "No dialogues" if figures.turns is None else f"{figures.turns:.1f} turns per dialogue"
    bars = _count_bars(counts, sum(count for _, count in counts))
    return BarTable(title, ("ended", "dialogues", "share"), bars, monospace=True)


def purposes(figures: Figures) -> BarTable:
    """Tabulate requests, tokens and dollars by purpose."""
    now = figures.status
    tokens = {name: used["prompt_tokens"] + used["completion_tokens"] for name, used in now.by_purpose.items()}
    total, longest = sum(tokens.values()), max(tokens.values(), default=0) or 1
    title = f"{total / now.records:,.0f} tokens per record" if now.records else f"{total:,.0f} tokens, no records yet"
    priced = now.cost_usd is not None
    columns = ("purpose", "requests", "prompt", "answers", "per record") + (("dollars",) if priced else ())
    # The bar is the purpose's share of the tokens.
    bars = tuple(
        Bar(
            name,
            (
                f"{used['requests']:,.0f}",
                f"{used['prompt_tokens']:,.0f}",
                f"{used['completion_tokens']:,.0f}",
                f"{tokens[name] / now.records:,.0f}" if now.records else "–",
                *((dollars(used["cost_usd"]),) if priced else ()),
            ),
            tokens[name] / longest,
        )
        for name, used in now.by_purpose.items()
    )
    return BarTable(title, columns, bars, "Includes the tokens of refused tasks.")


def seeds(figures: Figures) -> BarTable:
    """Tabulate the seed tasks with the highest yield."""
    columns = ("seed", "shown", "admitted", "per question")
    if not figures.seeds:
        return BarTable("No seed task was shown yet", columns, ())
    best, count = figures.seeds[0], len(figures.seeds)
    longest = best.per_question or 1
    title = f"{best.id} yields the most: {best.per_question:.1f} new tasks per question"
    note = (
        f"The top {min(_SEEDS, count)} of {count} seeds that were shown at least half as often as the median seed. "
        "Each question shows several seeds, so the yield of a seed depends on the others, too."
    )
    bars = tuple(
        Bar(
            seed.id,
            (f"{seed.shown:,}", f"{seed.admitted:,}", f"{seed.per_question:.2f}"),
            seed.per_question / longest,
            _shorten(seed.instruction or ""),
        )
        for seed in figures.seeds[:_SEEDS]
    )
    return BarTable(title, columns, bars, note)


def coverage_tables(figures: Figures) -> list[BarTable]:
    """Tabulate how far each value of each facet is covered, then what a judge sees in a sample of the records."""
    tables = []
    for facet in dict.fromkeys(each.facet for each in figures.coverage):
        rows = [each for each in figures.coverage if each.facet == facet]
        longest = max(max(each.obtained, each.requested or 0) for each in rows) or 1
        bars = tuple(
            Bar(
                each.value,
                (
                    "–" if each.requested is None else f"{each.requested:.1%}",
                    f"{each.obtained:.1%}",
                    f"{each.records:,}",
                    f"{each.questions:,}",
                    "–" if each.tasks_per_question is None else f"{each.tasks_per_question:.2f}",
                ),
                each.obtained / longest,
                each.why_starved,
            )
            for each in rows
        )
        asked = [each for each in rows if each.requested]
        near = sum(each.is_near for each in asked)
        title = (
            f"{facet}: {near:,} of {len(asked):,} within 20% of their share" if asked else f"{facet}: not configured"
        )
        tables.append(BarTable(title, ("value", "requested", "obtained", "records", "questions", "yield"), bars))
    for facet in dict.fromkeys(each.facet for each in figures.judged):
        seen = [each for each in figures.judged if each.facet == facet]
        sampled, agree = sum(each.sampled for each in seen), sum(each.agree for each in seen)
        bars = tuple(
            Bar(
                each.value,
                (f"{each.sampled:,}", _share(each.agree, each.sampled)),
                each.agree / each.sampled,
                ", ".join(f"{other.name}: {other.count:,}" for other in each.others),
            )
            for each in seen
        )
        note = "Asked without saying what was requested. Below a value: what the judge saw instead, and how often."
        title = f"{facet}: a judge sees what was asked for in {_share(agree, sampled)} of {sampled:,} records"
        tables.append(BarTable(title, ("asked for", "sampled", "agrees"), bars, note))
    return tables


def _count_bars(counts: Sequence[tuple[str, int]], total: int) -> tuple[Bar, ...]:
    return tuple(Bar(name, (f"{n:,}", _share(n, total)), n / total if total else 0.0) for name, n in counts)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"


def _shorten(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def tables_of(figures: Figures) -> dict[str, BarTable]:
    """Return all tables by name."""
    makers = (reasons, verified, languages, classification, dialogues, purposes, seeds)
    return {make.__name__: make(figures) for make in makers}

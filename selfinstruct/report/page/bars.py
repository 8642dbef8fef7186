"""The tables of a report with a bar in each row, and its maps of facets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.counted import dollars
from ...core.facets import Coverage
from .figures import Count, Figures


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: name, a formatted figure per column, and length of the bar, 0 to 1.

    note: text under the name. lost: whether the row counts what was refused.
    """

    name: str
    figures: tuple[str, ...]
    length: float
    note: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class BarTable:
    """A table. title: what it shows. columns: headings of the name and the figures. monospace: names are code."""

    title: str
    columns: tuple[str, ...]
    bars: tuple[Bar, ...]
    note: str = ""
    monospace: bool = False


@dataclass(frozen=True, slots=True)
class FacetMap:
    """The coverage of each combination of two facets. columns: values of one facet. rows: of the other, with cells."""

    title: str
    facets: tuple[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Coverage | None, ...]], ...]


# Maximum number of seeds in the table.
_SEEDS = 15


def stages(figures: Figures) -> BarTable:
    """Tabulate how many tasks reached each stage."""
    now = figures.status
    title = f"{now.acceptance:.1%} of {now.proposed:,} proposed tasks were admitted; {now.records:,} are records"
    longest = max(count.count for count in figures.stages) or 1
    bars = []
    for stage in figures.stages:
        name = stage.name.removeprefix("- ")
        if stage.count or name == stage.name:
            bars.append(Bar(name, (f"{stage.count:,}",), stage.count / longest, lost=name != stage.name))
    return BarTable(title, ("stage", "count"), tuple(bars))


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
    total, (first, *_) = sum(each.count for each in figures.languages), (*figures.languages, Count("", 0))
    title = f"{_share(first.count, total)} of records are in the language {first.name}" if total else "No records yet"
    note = "Detected by py3langid from instruction, input and output together; short texts are often misclassified."
    if total < figures.status.records:
        note += f" From a fixed sample of {total:,} of the {figures.status.records:,} records."
    # Sum up the languages that don't fit.
    rest = sum(each.count for each in figures.languages[12:])
    counts = [*figures.languages[:12], *([Count("others", rest)] if rest else [])]
    return BarTable(title, ("language", "records", "share"), _count_bars(counts, total), note)


def classification(figures: Figures) -> BarTable:
    """Tabulate how many records are classification tasks; without bars if the strategy doesn't label them."""
    yes, no, unknown = figures.classification
    title = f"{_share(yes, yes + no)} of records are classification tasks"
    counts = [Count("yes", yes), Count("no", no), *([Count("not labeled", unknown)] if unknown else [])]
    bars = _count_bars(counts, yes + no + unknown) if yes + no else ()
    return BarTable(title, ("classification", "records", "share"), bars)


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


def reviews(figures: Figures) -> BarTable:
    """Tabulate what people decided; without bars if there is no review."""
    accepted, edited, rejected = figures.decisions
    open_ = figures.status.records - accepted
    counts = [Count("accepted", accepted), Count("edited (of the accepted)", edited), Count("not reviewed", open_)]
    title = f"People accepted {accepted:,} of {figures.status.records:,} records and rejected {rejected:,} others"
    bars = (
        *_count_bars(counts, figures.status.records),
        Bar("rejected", (f"{rejected:,}", ""), min(rejected / (accepted + open_ or 1), 1), lost=True),
    )
    note = "Further records replace those that were rejected. An edited text passed no check."
    return BarTable(title, ("decision", "records", "share"), bars if accepted or rejected else (), note)


def dialogues(figures: Figures) -> BarTable:
    """Tabulate how dialogues ended."""
    title = "No dialogues" if figures.turns is None else f"{figures.turns:.1f} turns per dialogue"
    bars = _count_bars(figures.endings, sum(each.count for each in figures.endings))
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


def facet_maps(figures: Figures) -> list[FacetMap]:
    """Lay out the combinations of two facets as a map, with the facet of fewer values as columns."""
    maps, cells = [], {(each.facet, each.value): each for each in figures.coverage}
    for facet in dict.fromkeys(each.facet for each in figures.coverage if each.facet.count(", ") == 1):
        first, second = facet.split(", ")
        values = {name: [each.value for each in figures.coverage if each.facet == name] for name in (first, second)}
        down, across = sorted((first, second), key=lambda name: -len(values[name]))
        rows = []
        for value in values[down]:
            pairs = [(value, other) if down == first else (other, value) for other in values[across]]
            rows.append((value, tuple(cells.get((facet, ", ".join(pair))) for pair in pairs)))
        asked = [each for each in figures.coverage if each.facet == facet and each.requested]
        title = f"{sum(each.is_near for each in asked):,} of {len(asked):,} combinations within 20% of their share"
        maps.append(FacetMap(title, (down, across), tuple(values[across]), tuple(rows)))
    return maps


def coverage_tables(figures: Figures) -> list[BarTable]:
    """Tabulate how far each value of each facet is covered, then what a judge sees in a sample of the records."""
    tables = []
    for facet in dict.fromkeys(each.facet for each in figures.coverage if each.facet.count(", ") != 1):
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


def _count_bars(counts: Sequence[Count], total: int) -> tuple[Bar, ...]:
    return tuple(
        Bar(each.name, (f"{each.count:,}", _share(each.count, total)), each.count / total if total else 0.0)
        for each in counts
    )


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"


def _shorten(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def tables_of(figures: Figures) -> dict[str, BarTable]:
    """Return all tables by name."""
    makers = (stages, reasons, reviews, verified, languages, classification, dialogues, purposes, seeds)
    return {make.__name__: make(figures) for make in makers}

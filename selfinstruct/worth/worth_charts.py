"""The charts of a comparison: what a reader said about each dataset, and what is measured without reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.counted import counted
from ..core.reviews import wilson_interval
from ..report.page.row_charts import ChartRow, RowChart, Scale, scale_for, shares
from .blind_comparison import Gap, Worth
from .blind_reading import DIFFICULTIES, QUESTIONS, Result
from .dataset_measures import FORMS, Measures

_MOST = 4.0
"""Intervals of costs are drawn up to this multiple of the highest cost, so that a very long one leaves room."""


def intervals_of(found: Worth) -> str:
    """Say what the lines of `reading_charts` are."""
    others = "; those of the differences hold wherever the reader stops" if len(found.names) > 1 else ""
    fixed = "The lines of the first three charts are 95% intervals for a number of rows that is fixed in advance"
    return f"{fixed}{others}."


def points(value: float) -> str:
    """Format a difference of shares in points."""
    return f"{100 * value:+.1f}"


def reading_charts(found: Worth, reader: str, names: Mapping[str, str]) -> list[list[RowChart]]:
    """Draw what one reader said, in groups. names: what to call each dataset in a chart."""
    results = found.read[reader]
    id = f"reader-{list(found.read).index(reader)}"
    asked = [_share_chart(f"{id}-{name}", name, results, names) for name in QUESTIONS]
    kept = {each.source: each.keep for each in results}
    gaps = [gap for gap in found.gaps[reader] if gap.first in kept and gap.second in kept]
    others = [_gap_chart(id, gaps, kept, names)] if gaps else []
    others.append(_difficulty_chart(id, results, names))
    return [asked, others, _cost_charts(id, results, found, names)]


def _share_chart(id: str, question: str, results: Sequence[Result], names: Mapping[str, str]) -> RowChart:
    rows, table = [], []
    for each in results:
        share = float(getattr(each, question))
        low, high = wilson_interval(share, each.read)
        rows.append(
            ChartRow(names[each.source], f"{share:.1%} ({100 * low:.0f} to {100 * high:.0f})", share, (low, high))
        )
        table.append((each.source, f"{share:.1%}", f"{low:.1%}", f"{high:.1%}", f"{each.read:,}"))
    columns = ("dataset", "share", "from", "to", "rows read")
    return RowChart(id, QUESTIONS[question], shares("of the rows read"), tuple(rows), columns, tuple(table))


def _gap_chart(id: str, gaps: Sequence[Gap], kept: Mapping[str, float], names: Mapping[str, str]) -> RowChart:
    rows, table = [], []
    for gap in gaps:
        value = kept[gap.second] - kept[gap.first]
        words = f"{points(value)} ({points(gap.low)} to {points(gap.high)})"
        label = f"{names[gap.second]} minus {names[gap.first]}"
        color = "a" if gap.is_decided else "open"
        rows.append(ChartRow(label, words, value, (gap.low, gap.high), color=color))
        table.append((label, points(value), points(gap.low), points(gap.high), f"{gap.pairs:,}"))
    margin = gaps[0].margin
    low, high = min(-margin, *(each.low for each in gaps)), max(margin, *(each.high for each in gaps))
    together = "" if len(gaps) == 1 else " All of them hold together in 95% of readings."
    return RowChart(
        f"{id}-difference",
        "How far are the shares kept apart?",
        scale_for(low, high, "points of the share kept", lambda value: f"{100 * value:+.4g}" if value else "0"),
        tuple(rows),
        ("difference", "points", "from", "to", "pairs of rows"),
        tuple(table),
        note=f"Lines are intervals that hold at whatever row the reader stopped.{together} A dataset is better if the "
        "interval excludes 0, and no difference matters if it lies within the shaded region. A point without filling: "
        "neither is known.",
        key=(("band", f"differences of less than {100 * margin:g} points don't matter"),),
        band=(-margin, margin),
    )


def _difficulty_chart(id: str, results: Sequence[Result], names: Mapping[str, str]) -> RowChart:
    rows, table = [], []
    for each in results:
        counts = [each.difficulty[level] for level in DIFFICULTIES]
        parts = tuple(
            (f"d{number}", count / each.read, f"{level}: {count:,}")
            for number, (level, count) in enumerate(zip(DIFFICULTIES, counts, strict=True))
        )
        words = ", ".join(f"{count:,} {level}" for level, count in zip(DIFFICULTIES, counts, strict=True))
        rows.append(ChartRow(names[each.source], words, parts=parts))
        table.append((each.source, *(f"{count:,}" for count in counts)))
    return RowChart(
        f"{id}-difficulty",
        "How difficult are the tasks?",
        shares("of the rows read"),
        tuple(rows),
        ("dataset", *DIFFICULTIES),
        tuple(table),
        key=tuple((f"d{number}", level) for number, level in enumerate(DIFFICULTIES)),
    )


def _cost_charts(id: str, results: Sequence[Result], found: Worth, names: Mapping[str, str]) -> list[RowChart]:
    """Draw what a kept row cost, for the datasets that are runs; the intervals are those of the share kept."""
    charts = []
    for unit, title in (
        ("tokens", "Generated tokens for each kept row"),
        ("seconds", "Seconds of work for each kept row"),
    ):
        rows, table = [], []
        for each in results:
            cost = found.measures[each.source].values[f"{unit}_per_row"]
            if cost is None or not each.keep:
                table.append((each.source, *"---"))
                continue
            low, high = cost / each.high, cost / each.low
            written = [f"{value:,.{0 if unit == 'tokens' else 1}f}" for value in (cost / each.keep, low, high)]
            words = f"{written[0]} ({written[1]} to {written[2]})"
            rows.append(ChartRow(names[each.source], words, cost / each.keep, (low, high)))
            table.append((each.source, *written))
        if rows:
            end = max(min(row.interval[1], _MOST * row.value) for row in rows if row.interval)
            note = "Lines follow from the interval of the share kept."
            if found.added:
                note += " A selection that chooses from all records of its run bears their cost."
            if len(rows) < len(results):
                note += " A dataset that is no run, or has no kept row, has no such figure."
            scale = scale_for(0, end, f"{unit} for each kept row")
            columns = ("dataset", unit, "from", "to")
            charts.append(RowChart(f"{id}-{unit}", title, scale, tuple(rows), columns, tuple(table), note=note))
    return charts


def measure_charts(measures: Mapping[str, Measures], names: Mapping[str, str]) -> list[list[RowChart]]:
    """Draw what is measured without reading, in groups, the only one about right and wrong first."""
    checked = _checked_chart(measures, names)
    groups: list[list[RowChart]] = [[checked] if checked else [], []]
    for what in ("task", "answer"):
        lengths = {name: getattr(each, f"{what}_tokens") for name, each in measures.items()}
        scale = scale_for(0, max(map(max, lengths.values())), "tokens of ROUGE")
        title = f"How long are the {what}s?"
        groups[-1].append(_middle_chart(f"length-{what}", title, lengths, names, scale, "Longer isn't better."))
    each_one = " of each dataset" if len(measures) > 1 else ""
    sample = f"Of a sample of {counted(next(iter(measures.values())).sampled, 'task')}{each_one}."
    similar = Scale(0.0, 1.0, tuple((each / 4, f"{each / 4:g}") for each in range(5)), "ROUGE-L F")
    nearest = {name: each.nearest for name, each in measures.items() if each.nearest}
    bars = [
        _bar_chart("hit_by_rules", "Rows hit by rules", measures, names, shares("of all rows"),
                   "Rules against what small models write in place of a task or an answer. Others may be wrong, too."),
        _middle_chart("nearest", "Similarity to the nearest task", nearest, names, similar,
                      f"{sample} Lower is more diverse."),
        _bar_chart("self_rouge", "Similarity to all tasks", measures, names, similar,
                   f"{sample} The mean of all pairs; lower is more diverse."),
        _bar_chart("distinct_pairs", "Distinct verb-noun pairs", measures, names, None,
                   f"{sample} As in the plot of the Self-Instruct paper; higher is more diverse."),
        _bar_chart("tokens_per_row", "Generated tokens for each row", measures, names, None,
                   "Of a run, rejected tasks included."),
        _bar_chart("seconds_per_row", "Seconds of work for each row", measures, names, None,
                   "Of a run, rejected tasks included, pauses not."),
    ]  # fmt: skip
    return [*groups, [chart for chart in bars if chart is not None and chart.rows]]


def _checked_chart(measures: Mapping[str, Measures], names: Mapping[str, str]) -> RowChart | None:
    rows, table = [], []
    for name, each in measures.items():
        answers, right = each.values["checked"], each.values["checked_right"]
        if answers is None or right is None:
            table.append((name, "-", "-", "-"))
            continue
        low, high = wilson_interval(right / answers, int(answers))
        words = f"{right:,} of {answers:,} ({100 * low:.0f} to {100 * high:.0f}%)"
        rows.append(ChartRow(names[name], words, right / answers, (low, high)))
        table.append((name, f"{right:,} of {answers:,}", f"{low:.1%}", f"{high:.1%}"))
    if not rows:
        return None
    note = (
        "The only figure of this section about right and wrong. It counts the answers of the whole run that a program "
        "checked, and wrong ones are no rows. Lines are 95% intervals."
    )
    columns = ("dataset", "right", "from", "to")
    scale = shares("of the answers checked")
    return RowChart(
        "checked", "Answers that a program found right", scale, tuple(rows), columns, tuple(table), note=note
    )


def _middle_chart(
    id: str, title: str, values: Mapping[str, Sequence[float]], names: Mapping[str, str], scale: Scale, note: str
) -> RowChart:
    """Draw the median and the middle half of something. values: the three quartiles, by dataset."""
    rows, table = [], []
    for name, (low, middle, high) in values.items():
        written = [f"{value:.3g}" for value in (middle, low, high)]
        rows.append(
            ChartRow(names[name], f"{written[0]} ({written[1]} to {written[2]})", middle, (low, high), color="middle")
        )
        table.append((name, *written))
    columns = ("dataset", "median", "25th percentile", "75th percentile")
    note = f"Points are medians, and bars hold the middle half. {note}"
    return RowChart(id, title, scale, tuple(rows), columns, tuple(table), note=note)


def _bar_chart(
    key: str, title: str, measures: Mapping[str, Measures], names: Mapping[str, str], scale: Scale | None, note: str
) -> RowChart | None:
    """Draw a bar for each dataset that has a value; None if none has. scale: None for one that begins at 0."""
    known = {name: value for name, each in measures.items() if (value := each.values[key]) is not None}
    if not known:
        return None
    written = {name: FORMS[key](value) for name, value in known.items()}
    rows = tuple(ChartRow(names[name], written[name], value) for name, value in known.items())
    table = tuple((name, written.get(name, "-")) for name in measures)
    scale = scale or scale_for(0, max(known.values()), title.lower())
    return RowChart(f"measured-{key}", title, scale, rows, ("dataset", title.lower()), table, note=note)

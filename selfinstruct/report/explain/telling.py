"""A story as lines for a terminal: side by side what is compared, the common tokens in brackets or bold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

from ...core.tasks import Record
from ...dataset.terms import Statement
from ...journal.provenance import Share, iso
from .alignment import Alignment
from .find import Found
from .values import Asked, Check, Nearest, QuestionStory, SeedStory, Shown, Story

_FIRST = 72
_OPEN, _CLOSE = "\x1b[1m", "\x1b[0m"


def tell(
    story: Story | QuestionStory | SeedStory, *, width: int = 100, bold: bool = False, full: bool = False
) -> list[str]:
    """The lines of a story. width: columns; bold: mark by terminal escapes, else by brackets; full: prompts, too.

    Control characters and line ends in what models and servers wrote are replaced.
    """
    if isinstance(story, QuestionStory):
        return list(_question_story(story, full))
    if isinstance(story, SeedStory):
        return list(_seed_story(story))
    return list(_task_story(story, width, bold, full))


def found_lines(tasks: Sequence[Found]) -> list[str]:
    """A task a line: id, what became of it, first words."""
    return [f"{task.id:<10} {_flat(task.outcome):<18} {_first(task.instruction)}" for task in tasks]


def _task_story(story: Story, width: int, bold: bool, full: bool) -> Iterator[str]:
    yield f"{story.id}: {_flat(story.outcome)}" + (f", {story.record.id}" if story.record else "")
    yield from _block("instruction", story.instruction)
    if story.proposal is not None:
        yield from _asked(f"question q{story.question}", story.proposal, full)
    yield from _demonstrations(story.demonstrations)
    if story.part:
        yield from _block("read from this part of the answer", story.part)
    elif story.proposal is not None:
        yield from _block("the answer", story.proposal.text)
    yield "checks"
    for check in story.checks:
        yield f"  {_check(check)}"
    if story.nearest is not None:
        yield from _nearest(story.nearest, width, bold)
    for number, asked in enumerate(story.developed, 1):
        yield from _asked(f"development {number}", asked, full)
        yield from _block("answer", asked.text)
    for key in story.waiting:
        yield f"not answered yet: {key}"
    if story.record is not None:
        if story.record.output_key is not None:
            yield f"instances written by {_flat(story.record.output_teacher or '')}, in {story.record.output_key}"
        for number, instance in enumerate(story.record.instances, 1):
            yield from _block(f"instance {number}, input", instance.input or "(none)")
            yield from _block(f"instance {number}, output", instance.output)
            yield from _marks(number, story.record)
    yield f"cost  {_share(story.share)}"
    yield from _licence(story.licence)


def _marks(number: int, record: Record) -> Iterator[str]:
    scores = record.scores[number - 1] if number <= len(record.scores) else None
    if scores is not None:
        marks = f"clarity {scores.clarity}, correctness {scores.correctness}, helpfulness {scores.helpfulness}"
        yield f"instance {number}, judged by {_flat(scores.judge)}: {marks}, safety {scores.safety}"
        yield from _block("reason", scores.reason)


def _question_story(story: QuestionStory, full: bool) -> Iterator[str]:
    yield from _asked(f"question {story.id}", story.proposal, full)
    yield from _demonstrations(story.demonstrations)
    yield from _block("answer", story.proposal.text)
    for check in story.checks:
        yield f"the whole answer: {_check(check)}"
    yield f"tasks read from it: {len(story.tasks)}"
    yield from (f"  {line}" for line in found_lines(story.tasks))


def _seed_story(story: SeedStory) -> Iterator[str]:
    yield f"{story.id}: seed task"
    yield from _block("instruction", story.instruction or "(its file is not at hand, or has changed since)")
    if story.generation is not None and story.generation > 1:
        yield f"came with generation {story.generation}, counts from q{story.first_question} on"
    first = f", first in {', '.join(story.first_shown_in)}" if story.first_shown_in else ""
    yield f"shown as a demonstration in {story.shown_in:,} questions{first}"
    yield f"nearest text of {story.refused:,} refused and {story.admitted:,} admitted tasks"
    yield from (f"  {line}" for line in found_lines(story.nearest_of))
    yield from _licence(story.licence)


def _asked(name: str, asked: Asked, full: bool) -> Iterator[str]:
    where = f" at {asked.host}" if asked.host else ""
    model = _flat(asked.model or asked.configured)
    names = dict.fromkeys(name for name in (asked.teacher, asked.configured) if name and name != asked.model)
    configured = f" (configured: {', '.join(map(_flat, names))})" if names else ""
    cost = "" if asked.cost_usd is None else f", ${asked.cost_usd:.6f}"
    taken = ", taken over from another run" if asked.inherited else ""
    yield f"{name}  {asked.key}, {asked.purpose} over {asked.endpoint}, {iso(asked.asked_at)}"
    yield f"  teacher {model}{configured}{where}; {asked.latency_s:.2f} s, {asked.requests} request(s){taken}"
    tokens = f"{asked.prompt_tokens:,} prompt + {asked.completion_tokens:,} generated tokens{cost}"
    yield f"  {tokens}; ended: {_flat(asked.finish_reason)}"
    yield f"  wording {asked.prompt_version}, configuration {asked.config_digest[:16]}, generation {asked.generation}"
    if asked.error:
        yield f"  error {_flat(asked.error)}"
    if full:
        for role, text in asked.prompt:
            yield from _block(f"sent, {role}", text)


def _demonstrations(shown: Sequence[Shown]) -> Iterator[str]:
    if shown:
        yield "demonstrations shown"
    for demo in shown:
        yield f"  {demo.id:<18} {_first(demo.instruction) if demo.instruction is not None else '(text not at hand)'}"


def _check(check: Check) -> str:
    said = "passed" if check.passed else f"refused, {_flat(check.reason or '')}"
    score = "" if check.score is None else f", ROUGE-L F {check.score:.4f} to the nearest"
    detail = f": {_flat(check.detail)}" if check.detail else ""
    decides = "" if check.passed else "; the first that objects decides"
    names = f" ({', '.join(check.checks)}{decides})" if check.checks else ""
    return f"{check.stage:<9} {said}{score}{detail}{names}"


def _nearest(nearest: Nearest, width: int, bold: bool) -> Iterator[str]:
    yield f"nearest text  {nearest.id}, ROUGE-L F {nearest.score:.4f}"
    found = nearest.alignment
    if found is None:
        yield "  (its text is not at hand)"
        return
    yield (
        f"  {found.lcs} tokens in common, in order, of {found.left_tokens} and {found.right_tokens}; "
        f"the common ones are {'bold' if bold else '[in brackets]'}"
    )
    yield from (f"  {line}" for line in _side_by_side(found, width - 2, bold))


def _side_by_side(found: Alignment, width: int, bold: bool) -> Iterator[str]:
    column = max(20, (width - 3) // 2)
    yield f"{'this task':<{column}} | its nearest"
    for row in found.rows:
        mark = row.common and not bold
        left, right = (
            _wrapped(f"[{_flat(side).strip()}]" if mark else _flat(side).strip(), column)
            for side in (row.left, row.right)
        )
        for number in range(max(len(left), len(right))):
            ours = left[number] if number < len(left) else ""
            theirs = right[number] if number < len(right) else ""
            gap = " " * (column - _columns(ours))
            if row.common and bold:
                ours, theirs = f"{_OPEN}{ours}{_CLOSE}", f"{_OPEN}{theirs}{_CLOSE}"
            yield f"{ours}{gap} | {theirs}".rstrip()


def _wrapped(text: str, column: int) -> list[str]:
    """Lines of at most `column` columns, broken at blanks where there are some."""
    lines: list[str] = []
    while _columns(text) > column:
        end = 1
        while _columns(text[: end + 1]) <= column:
            end += 1
        blank = text.rfind(" ", 1, end + 1)
        lines.append(text[: blank if blank > 0 else end].rstrip())
        text = text[blank + 1 if blank > 0 else end :]
    return [*lines, text] if text else lines


def _columns(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _block(name: str, text: str) -> Iterator[str]:
    yield name
    yield from (f"  | {_flat(line)}" for line in text.splitlines() or [""])


def _share(share: Share) -> str:
    cost = "no price known" if share.cost_usd is None else f"${share.cost_usd:.6f}"
    return f"{share.prompt_tokens:,.1f} prompt + {share.completion_tokens:,.1f} generated tokens, {cost} (its share)"


def _licence(statements: Sequence[Statement]) -> Iterator[str]:
    if statements:
        yield "licence"
    yield from (f"  {_flat(statement.line)}" for statement in statements)


def _first(text: str) -> str:
    text = _flat(text)
    return text if len(text) <= _FIRST else text[: _FIRST - 3] + "..."


def _flat(text: str) -> str:
    """On one line, without what can't be printed."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text)

"""Format stories as lines for a terminal; used by the command `explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

from ...core.counted import counted, dollars
from ...core.records import Example, Response
from ...core.tokens import is_ascii_lettered
from ...core.visible import visible
from ...dataset.terms import Statement
from ...journal.provenance import Share, iso
from ...novelty.reference import Reference
from .alignment import Alignment
from .find import FoundTask
from .values import Answered, Check, NearestText, QuestionStory, SeedStory, ShownTask, Story

# Maximum length of an instruction in a list.
_SUMMARY_CHARS = 72
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def describe(
    story: Story | QuestionStory | SeedStory, *, width: int = 100, bold: bool = False, full: bool = False
) -> list[str]:
    """Format a story as lines without control characters.

    bold: whether to mark common tokens by terminal escapes instead of brackets. full: whether to include the prompts.
    """
    if isinstance(story, QuestionStory):
        return list(_question_story(story, full))
    if isinstance(story, SeedStory):
        return list(_seed_story(story))
    return list(_task_story(story, width, bold, full))


def task_lines(tasks: Sequence[FoundTask]) -> list[str]:
    """Format one line per task: id, outcome, first words."""
    return [f"{task.id:<10} {_flatten(task.outcome):<18} {_shorten(task.instruction)}" for task in tasks]


def _task_story(story: Story, width: int, bold: bool, full: bool) -> Iterator[str]:
    # What was proposed, and where it comes from.
    yield f"{story.id}: {_flatten(story.outcome)}" + (f", {story.record.id}" if story.record else "")
    yield from _block("instruction", story.instruction)
    if story.proposal is not None:
        yield from _answered(f"question q{story.question}", story.proposal, full)
    yield from _demonstrations(story.demonstrations)
    if story.part:
        yield from _block("part of the answer with this task", story.part)
    elif story.proposal is not None:
        yield from _block("answer", story.proposal.text)
    # Why it was kept or refused.
    yield "checks"
    for check in story.checks:
        yield f"  {_check(check)}"
    yield f"  by kind of teacher: {_flatten(story.by_teacher)}"
    if story.nearest is not None:
        yield from _nearest(story.instruction, story.nearest, width, bold)
    # How it got its examples.
    for number, answered in enumerate(story.developed, 1):
        yield from _answered(f"development {number}", answered, full)
        yield from _block("answer", answered.text)
    for key in story.waiting:
        yield f"not answered yet: {key}"
    if story.record is not None:
        labels = {**story.record.facets, **story.record.labels}
        if labels:
            yield "labels  " + ", ".join(f"{_flatten(name)} {_flatten(str(label))}" for name, label in labels.items())
        for number, example in enumerate(story.record.examples, 1):
            yield from _example(number, example)
    yield f"cost  {_share(story.share)}"
    yield from _license(story.license)


def _example(number: int, example: Example) -> Iterator[str]:
    # The prompt.
    if len(example.messages) > 1:
        for each in example.messages:
            yield from _block(f"example {number}, {each.role}", each.content)
    else:
        yield from _block(f"example {number}, input", example.given or "(none)")
    # The answer, and what its author and the judge say.
    best = example.responses[0]
    yield from _block(f"example {number}, output", best.text)
    if best.key is not None:
        yield f"example {number}, written by {_flatten(best.teacher or '')}, in {best.key}"
    for quote in example.evidence:
        page = "" if quote.page is None else f", page {quote.page}"
        place = f"{_flatten(quote.document)}{page}, characters {quote.start}-{quote.end}"
        yield from _block(f"example {number}, evidence in {place}", quote.text)
    if (truth := example.ground_truth) is not None:
        yield from _block(f"example {number}, ground truth of {_flatten(truth.name)}", truth.expected)
    if (checked := best.verdicts.get("wrong_answer")) is not None:
        yield f"example {number}, checked by {_flatten(checked.detail)}"
    judged = best.verdicts.get("judge")
    if judged is not None:
        yield f"example {number}, judged by {_flatten(judged.by)}: {_marks(best)}"
        yield from _block("reason", judged.detail)
    # The other samples, and why this one won.
    samples = [*example.responses, *example.others]
    if len(samples) > 1:
        yield f"example {number}, {len(samples)} answers, best first"
        yield from (f"  {_sample(each)}" for each in samples)


def _marks(response: Response) -> str:
    return ", ".join(f"{_flatten(name)} {mark:g}" for name, mark in response.marks.items())


def _sample(response: Response) -> str:
    """Return a line such as 'sample 2  rejected, cut_off: ends in a comma  d:0f3a….2'."""
    objection = next((verdict for verdict in response.verdicts.values() if not verdict.ok), None)
    if objection is not None:
        detail = f": {_flatten(objection.detail)}" if objection.detail else ""
        result = f"rejected, {_flatten(objection.reason or '')}{detail}"
    else:
        marks = f", mean mark {response.mark:g} ({_marks(response)})" if response.mark is not None else ""
        checked = response.verdicts.get("wrong_answer")
        result = f"passed{f', {_flatten(checked.detail)}' if checked else ''}{marks}"
    beats = f", beats sample {', '.join(map(str, response.beats))}" if response.beats else ""
    where = f"  {response.key}" if response.key is not None else ""
    return f"sample {response.sample}  {result}{beats}{where}"


def _question_story(story: QuestionStory, full: bool) -> Iterator[str]:
    yield from _answered(f"question {story.id}", story.proposal, full)
    yield from _demonstrations(story.demonstrations)
    yield from _block("answer", story.proposal.text)
    for check in story.checks:
        yield f"whole answer: {_check(check)}"
    yield f"tasks in the answer: {len(story.tasks)}"
    yield from (f"  {line}" for line in task_lines(story.tasks))


def _seed_story(story: SeedStory) -> Iterator[str]:
    yield f"{_flatten(story.id)}: seed task"
    yield from _block("instruction", story.instruction or "(not available: the seed file is missing or has changed)")
    if story.generation is not None and story.generation > 1:
        yield f"added by generation {story.generation}, used from q{story.first_question} on"
    first = f", first in {', '.join(story.first_shown_in)}" if story.first_shown_in else ""
    yield f"shown as a demonstration in {counted(story.shown_in, 'question')}{first}"
    yield f"nearest text of {story.refused:,} refused and {story.admitted:,} admitted tasks"
    yield from (f"  {line}" for line in task_lines(story.nearest_of))
    yield from _license(story.license)


def _answered(title: str, answered: Answered, full: bool) -> Iterator[str]:
    host = f" at {answered.host}" if answered.host else ""
    model = _flatten(answered.model or answered.configured)
    # Name the teacher and its configured model if the answer names another model.
    names = dict.fromkeys(n for n in (answered.teacher, answered.configured) if n and n != answered.model)
    configured = f" (configured: {', '.join(map(_flatten, names))})" if names else ""
    cost = "" if answered.cost_usd is None else f", {dollars(answered.cost_usd)}"
    reused = ", reused from another run" if answered.inherited else ""
    yield f"{title}  {answered.key}, {answered.purpose} over {answered.endpoint}, {iso(answered.asked_at)}"
    requests = counted(answered.requests, "request")
    yield f"  teacher {model}{configured}{host}; {answered.latency_s:.2f} s, {requests}{reused}"
    tokens = f"{answered.prompt_tokens:,} prompt + {answered.completion_tokens:,} generated tokens{cost}"
    yield f"  {tokens}; finish reason: {_flatten(answered.finish_reason)}"
    wording = f"wording {answered.prompt_version}, " if answered.prompt_version else ""
    versions = f"{wording}configuration {answered.config_digest[:16]}"
    yield f"  {versions}, generation {answered.generation}"
    if answered.error:
        yield f"  error {_flatten(answered.error)}"
    if full:
        for role, text in answered.prompt:
            yield from _block(f"prompt, {role}", text)


def _demonstrations(shown: Sequence[ShownTask]) -> Iterator[str]:
    if shown:
        yield "demonstrations in the prompt"
    for demo in shown:
        text = "(not available)" if demo.instruction is None else _shorten(demo.instruction)
        yield f"  {_flatten(demo.id):<18} {text}"


def _check(check: Check) -> str:
    result = "passed" if check.passed else f"refused, {_flatten(check.reason or '')}"
    compared = check.score is not None and check.stage == "novelty"
    score = f", ROUGE-L F {check.score:.4f} to the nearest text" if compared else ""
    detail = f": {_flatten(check.detail)}" if check.detail else ""
    order = "" if check.passed else "; stops at the first objection"
    names = f" ({', '.join(map(_flatten, check.checks))}{order})" if check.checks else ""
    return f"{check.stage:<9} {result}{score}{detail}{names}"


def _nearest(instruction: str, nearest: NearestText, width: int, bold: bool) -> Iterator[str]:
    yield f"nearest text  {_flatten(nearest.id)}, ROUGE-L F {nearest.score:.4f}"
    alignment, text = nearest.alignment, nearest.text
    if alignment is None or text is None:
        yield "  (not available)"
        return
    ascii_letters = is_ascii_lettered(instruction) and is_ascii_lettered(text)
    published = f"  the package rouge-score gives {Reference().score_as_published(instruction, text):.4f}"
    yield published + ("" if ascii_letters else ", because it drops every character outside ASCII")
    yield (
        f"  longest common subsequence, {'in bold' if bold else '[in brackets]'}: {counted(alignment.lcs, 'token')}, "
        f"of {alignment.left_tokens} and {alignment.right_tokens}"
    )
    yield from (f"  {line}" for line in _side_by_side(alignment, width - 2, bold))


def _side_by_side(alignment: Alignment, width: int, bold: bool) -> Iterator[str]:
    # Two columns, with ' | ' between them.
    column = max(20, (width - 3) // 2)
    yield f"{'this task':<{column}} | nearest text"
    for row in alignment.rows:
        # Brackets are part of the text, but escapes have no width, so they are added after wrapping.
        brackets = row.common and not bold
        left, right = (
            _wrap(f"[{_flatten(side).strip()}]" if brackets else _flatten(side).strip(), column)
            for side in (row.left, row.right)
        )
        for number in range(max(len(left), len(right))):
            a = left[number] if number < len(left) else ""
            b = right[number] if number < len(right) else ""
            gap = " " * (column - _columns(a))
            if row.common and bold:
                a, b = f"{_BOLD}{a}{_RESET}", f"{_BOLD}{b}{_RESET}"
            yield f"{a}{gap} | {b}".rstrip()


def _wrap(text: str, column: int) -> list[str]:
    """Break a text into lines of at most `column` columns, at spaces if possible; Chinese has none."""
    lines: list[str] = []
    while _columns(text) > column:
        end = 1
        while _columns(text[: end + 1]) <= column:
            end += 1
        space = text.rfind(" ", 1, end + 1)
        lines.append(text[: space if space > 0 else end].rstrip())
        text = text[space + 1 if space > 0 else end :]
    return [*lines, text] if text else lines


def _columns(text: str) -> int:
    """Return the columns that a text takes on a terminal; East Asian characters take two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _block(name: str, text: str) -> Iterator[str]:
    yield name
    yield from (f"  | {_flatten(line)}" for line in text.splitlines() or [""])


def _share(share: Share) -> str:
    cost = "price unknown" if share.cost_usd is None else dollars(share.cost_usd)
    return f"{share.prompt_tokens:,.1f} prompt + {share.completion_tokens:,.1f} generated tokens, {cost} (share)"


def _license(statements: Sequence[Statement]) -> Iterator[str]:
    if statements:
        yield "license"
    yield from (f"  {_flatten(statement.line)}" for statement in statements)


def _shorten(text: str) -> str:
    text = _flatten(text)
    return text if len(text) <= _SUMMARY_CHARS else text[: _SUMMARY_CHARS - 3] + "..."


def _flatten(text: str) -> str:
    """Return the text on one line, with control characters shown by their number."""
    return visible(" ".join(text.splitlines()).replace("\t", " "))

r"""The verifier 'maths': compares the final answer in a text with the expected value, and checks the way to it.

Our own reader of values decides almost every pair exactly (`maths_values.py`). What it doesn't understand, such as
roots, goes to `math-verify` (the extra `maths`), as a program in the sandbox: it considers 1/2004! and 1/2006! equal,
raises in threads, and needs a second to load. What it calls equal counts only if both agree to 60 digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..core.programs import Program, ProgramLimits, Run
from ..core.shipped import shipped_text
from ..core.tasks import PASS, Verdict
from .equations import first_false
from .final_answer import MOST_ANSWER_CHARACTERS, final_answer
from .maths_values import MOST_CHARACTERS, equal as equal_values, parse_value, quantities
from .notation import digits_for_words, spell

_LIMITS = ProgramLimits(cpu_s=10, wall_s=20.0, memory_bytes=2**30)
# Numbers of astronomic size, which take a computer algebra system forever: '10^{10^{10}}', '2^{100000}', '9!!'.
_ASTRONOMIC = re.compile(r"!\s*!|\^[\s{(]*[^\s{}()^+*/-]+[\s{(]*\^|\^[\s{(]*\d{5}|\d{5}\s*!")
# Words right before a value that make it another one, or none: 'less than 12', 'the day before Monday', '不是12'.
_QUALIFIED = re.compile(
    r"(?:\b(?:not|less than|more than|fewer than|between\s+\S+\s+and|except|everything but|day before|day after)\b"
    r"|不是|不到|少于|多于|超过)[\s*_$(（:：]*(?:on|the|a)?[\s*_$(（]*$",
    re.IGNORECASE,
)
_MULTIPLIED = re.compile(r"\d\s*(?:dozen|hundred|thousand|million)\b", re.IGNORECASE)
_ONE_UNIT = re.compile(r"(?P<money>[$€£¥₹])?\s*(?P<number>[-+]?[\d.,'/ ]*\d)\s*(?P<unit>[^\d\[]*)")
_PACKAGES = ("math_verify", "latex2sympy2_extended", "sympy", "mpmath", "antlr4")


async def verify(expected: object, answer: str, run: Run) -> Verdict:
    """Compare the final answer of a text with the expected value; each equation between numbers on the way must hold.

    Args:
        expected: The value as a text or number, or {"value": "12", "unit": "km"}: an answer may leave this unit
            out, but not state another one. With a "marker", such as "Answer:", the last line must begin with it.
        answer: What the teacher wrote; any text.
        run: Runs a program in the sandbox; used only for notation beyond numbers, units, and sets.
    """
    key = key_of(expected)
    marker = expected.get("marker", "") if isinstance(expected, dict) else ""
    last = answer.rstrip().rpartition("\n")[2].lstrip(" *_#")
    if not spell(last).casefold().startswith(spell(marker).casefold()):
        return Verdict("wrong_answer", f"the last line doesn't begin with {marker!r}")
    phrase = final_answer(last if marker else answer, key)
    if phrase is None:
        return Verdict("wrong_answer", f"no final answer found; expected {key}")
    # The phrase may be spelled: '-20' in 'it is not minus twenty'.
    read, part = (digits_for_words(spell(each)).lower() for each in (answer[-MOST_ANSWER_CHARACTERS:], phrase))
    before = answer.lower().rpartition(phrase.lower())[0] or read.rpartition(part)[0]
    if (found := _QUALIFIED.search(before[-40:])) or _MULTIPLIED.search(phrase):
        said = f"{found[0].strip() if found else ''} {' '.join(phrase.split())[:80]}".strip()
        return Verdict("wrong_answer", f"the answer is {said!r}, not {key!r}")
    same, problem = await _decide([(key, phrase)], run)
    if same[0]:
        false = first_false(answer[-MOST_ANSWER_CHARACTERS:])
        return Verdict("wrong_answer", f"the way to it is wrong: {false}"[:300]) if false else PASS
    note = f" ({problem})" if problem else ""
    return Verdict("wrong_answer", f"the answer is {' '.join(phrase.split())[:80]!r}, not {key!r}{note}")


def key_of(expected: object) -> str:
    """Return an expected value as one text: '12 [km]' for {"value": "12", "unit": "km"}."""
    if not isinstance(expected, dict):
        return str(expected)
    value, unit = expected.get("value", ""), expected.get("unit")
    return f"{value} [{unit}]" if unit else str(value)


def equal(expected: str, answer: str) -> bool | None:
    """Return whether two short texts say the same value; None if that takes `math-verify`.

    >>> equal("1.5 km", "1500 m"), equal("3/4", "75%"), equal("[1, 2)", "[1, 2]"), equal("\\\\sqrt{8}", "2\\\\sqrt{2}")
    (True, True, False, None)
    """
    if spell(expected) == spell(answer):
        return True
    first = parse_value(expected)
    if first is not None and first.kind == "choice":
        second = parse_value(answer, choice=True)
        return second is not None and equal_values(first, second)
    second = parse_value(answer)
    if first is None or second is None:
        return None
    return equal_values(first, second)


async def group(
    answers: Sequence[str], run: Run, minimum_share: float = 0.5, minimum_count: int = 3
) -> tuple[list[list[int]], int | None]:
    """Group the final answers of several texts by equivalence.

    Args:
        answers: The texts; one without a final answer is in no group.
        run: As for `verify`.
        minimum_share, minimum_count: The share of all answers, and the number, that the largest group needs.

    Returns:
        The positions in each group, the largest group first, and the position of the first answer of the largest group;
        None if this group is too small, or as large as the next.
    """
    groups: list[list[int]] = []
    phrases = [final_answer(answer, None) for answer in answers]
    for position, phrase in enumerate(phrases):
        if phrase is None:
            continue
        same = await compare([(with_optional_unit(phrases[each[0]] or ""), phrase) for each in groups], run)
        if True in same:
            groups[same.index(True)].append(position)
        else:
            groups.append([position])
    groups.sort(key=lambda each: (-len(each), each[0]))
    sizes = [len(each) for each in groups] + [0, 0]
    decided = sizes[0] > sizes[1] and sizes[0] >= max(minimum_count, minimum_share * len(answers))
    return groups, groups[0][0] if decided else None


def with_optional_unit(phrase: str) -> str:
    """Return '12 [km]' for '12 km' and '45 [$]' for '$45': the same value, whose unit an answer may leave out."""
    found = quantities(spelled := spell(phrase).rstrip(" .。!"))
    written = _ONE_UNIT.fullmatch(spelled)
    if len(found) != 1 or written is None or found[0].value.unit in ("", "share"):
        return phrase
    return f"{written['number']} [{written['money'] or written['unit']}]"


async def compare(pairs: Sequence[tuple[str, str]], run: Run) -> list[bool]:
    """Return for each pair of an expected value and an answer whether they are equal."""
    return (await _decide(pairs, run))[0]


async def _decide(pairs: Sequence[tuple[str, str]], run: Run) -> tuple[list[bool], str | None]:
    """Return for each pair whether both are equal, and what kept `math-verify` from deciding."""
    decided = {pair: equal(*pair) for pair in pairs}
    # One program decides all pairs that need it. What it can't decide, or not in time, is unequal.
    unknown = [
        pair
        for pair, same in decided.items()
        if same is None and max(map(len, pair)) <= MOST_CHARACTERS and not any(map(_ASTRONOMIC.search, pair))
    ]
    if not unknown:
        return [bool(decided[pair]) for pair in pairs], None
    source = shipped_text(__package__, "math_verify_program.py")
    ran = await run(Program(source, json.dumps(unknown), limits=_LIMITS, packages=_PACKAGES))
    if ran.problem is None:
        decided |= dict(zip(unknown, json.loads(ran.stdout), strict=True))
    missing = ran.problem and "'math_verify'" in ran.problem
    note = "math-verify isn't installed: pip install 'selfinstruct[maths]'" if missing else ran.problem
    return [bool(decided[pair]) for pair in pairs], note

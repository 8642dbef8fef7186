"""Finds false equations between numbers in a text, such as '12 × 3 = 35'.

`equations` reads those that stand alone; `first_false` also reads what solutions to problems contain. Values are exact
fractions. An equation counts only from the beginning of a line, or from a word or mark that introduces one ('so', ':',
'共'), to the end of the line or a full stop. Variables, functions, code, and binary numbers are skipped, and errors
there missed: a false alarm costs a good task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import regex

from ..core.code_blocks import without_code
from .expressions import evaluate
from .maths_values import units
from .notation import spell

MOST_CHARACTERS = 2000
"""Longer lines are skipped."""
MOST_DIGITS = 30
"""Longer numbers are skipped, and so are larger exponents."""
# Numbers may have thousands separators and decimals: '1,234.5'. Versions and dates, '1.2.3', are no numbers.
_TOKEN = re.compile(
    r"(?P<number>(?>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?![\d.,]\d))|(?P<op>\*\*|[-−–+*×·÷/^])"
    r"|(?P<paren>[()（）])|(?P<eq>[=＝])|(?P<gap>[ \t]+)|(?P<noun>[\ue000-\uf8ff])|(?P<other>.)",
    re.ASCII,
)
_OPERATORS = {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "**": "^", "（": "(", "）": ")"}
_SIGNS = frozenset("+-*/^")
# What may precede an equation: 'The area is 3 × 4 = 12.', '共 3 + 4 = 7'; but not '9:40 + 20 = 10'.
_OPENED_BY = re.compile(
    r"(?:^|(?<!\d)[:：]|[:：]\s|[,，。;；]|\b(?:so|thus|therefore|hence|then|is|are|was|have|has|had|get|gets|got|gives|makes|made|equals|because|since"
    r"|that|with|calculate|compute|compare|total)|[是有共为得即剩])\s*$",
    re.IGNORECASE,
)
# What may follow: the end of the line, or punctuation; not a unit, as in '3 + 4 = 7 apples'.
_CLOSED_BY = re.compile(r"\s*(?:$|[.,;!?。，；！？](?!\d)|[)）])")
# Markdown around equations: '**2 + 2 = 4**', '- 2 + 2 = 4', '1) 2 + 2 = 4'. Bold must not be read as a power.
_BOLD = re.compile(r"(?<![\w)])\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)")
_BULLET = re.compile(r"^\s*(?:[-*•+]\s+|\(?\d{1,3}[.)、]\s+|[>#]+\s*)+")
_EQUAL = re.compile(r"[=＝≈≒]|\\approx")
# 'Total cost =', 'x =', '(apples) ='
_LABEL = re.compile(r"[^\W\d_]\)?\s*=\s*")
_CONTINUED = regex.compile(r"\s{0,99}+(?:\\\\\s{0,99}+)?+&?\s{0,99}+(?=[=≈]|\\approx)")  # a line that begins with '='
_ALIGNED = re.compile(r"&\s*(?==|\\approx)|\\(?:begin|end)\{\w+\*?\}")
_BETWEEN = re.compile(r"(?<=[\w)%])\s+[xX]\s+(?=[\d$€£¥(])")  # '3 x 4'
_PERCENT = re.compile(r"(?<![\d.,])(\d+(?:\.\d+)?)\s*%(\s*of\b)?")
_MONEY = re.compile(r"(?:US)?[$€£¥￥₹]\s*(?=\d)")
_REMARK = re.compile(r"(?<=[\w)])\s+(?:in total|in all|altogether|for|on|that|which|so|because|at)\b(?=[^=≈]*$)")
_WORD = r"(?:[^\W\d_]+|°[CF]?|℃|℉)(?:\^-?\d)?"
# What a number counts, up to the next operator or the end: '5 km/h', '12 eggs per box', '5个', '9 (apples)'.
_NOUN = regex.compile(
    rf"(?<=[\d)])(?:\s*|-(?=[^\W\d_]{{3}}))(?:(?P<noun>/?\s*{_WORD}(?:(?:\s*/\s*|\s+){_WORD}){{0,4}})"
    rf"|[(（]\s*(?P<noun>{_WORD}(?:(?:\s*/\s*|\s+){_WORD}){{0,2}})\s*[)）])"
    r"(?=\s*(?:$|[-+*/=≈.,;:!?。；！？)）]))"
)
# Words that change what a number says, or how it is computed.
_NO_NOUNS = frozenset(
    "of or and to plus minus times over mod modulo in if with is are base choose dozen dozens pair pairs score gross "
    "half halves third thirds quarter quarters ten tens one ones hundred hundreds thousand thousands million millions "
    "billion billions percent factorial squared cubed remainder power sqrt log sin cos tan gcd lcm lg ln exp".split()
)
_NO_HAN_NOUN = re.compile("[万亿千百十成折倍打双余和加减乘除的比分之平立次半方]")
_ABOUT, _FIRST_NOUN = "\ue000", 0xE001


def first_false(text: str) -> str | None:
    r"""Describe the first false equation in a solution to a problem, or return None.

    Besides what `equations` reads: LaTeX, digits of any script, units, money, percentages, nouns, '≈', and a label such
    as 'Total cost ='. An equation in which units would have to be converted isn't judged.

    >>> first_false("Cost: \\[ 5 \\times \\$9 = \\$46 \\]"), first_false("5 km × 9 min/km = 45 minutes")
    ('5 * 9 = 46, but 5 * 9 is 45', None)
    """
    if not _EQUAL.search(text):
        return None
    for line in re.split(r"\n|\\\\(?![a-zA-Z(\[])", _CONTINUED.sub(" ", without_code(text))):
        if len(line) > MOST_CHARACTERS or not _EQUAL.search(line):
            continue
        nouns = _Nouns()
        for left, right in equations(nouns.marked(line)):
            if not nouns.differ(left, right) and (wrong := disprove(left, right)):
                return wrong
    return None


class EquationSide(NamedTuple):
    """One side of an equation: text, tokens (numbers without commas, ASCII operators, parentheses), and nouns."""

    text: str
    tokens: tuple[str, ...]
    nouns: frozenset[str] = frozenset()

    @property
    def is_sum(self) -> bool:
        return bool({"+", "-"} & {*self.tokens[1:]})

    @property
    def is_number(self) -> bool:
        return len(self.tokens) == 1 or (len(self.tokens) == 2 and self.tokens[0] == "-")


class _Nouns:
    """The nouns and units of a line, each with a character that stands for it."""

    def __init__(self) -> None:
        self._characters: dict[object, str] = {}
        self._ambiguous = set[str]()

    def marked(self, line: str) -> str:
        """Return a line in plain notation: '5 km * $9 = $45' without units, but with a character for each."""
        text = _BETWEEN.sub(
            "*", spell(_ALIGNED.sub(" ", line.replace(r"\$", self._known("$") or ""))).replace("≒", "≈")
        )
        text = _PERCENT.sub(lambda found: f"({found[1]}/100){self._of('%')}{'*' if found[2] else ''}", text)
        text = _MONEY.sub(lambda found: self._known(found[0].strip().removeprefix("US")) or "", _REMARK.sub(", ", text))
        text = _NOUN.sub(lambda found: self._phrase(found["noun"]) or found[0], text).replace("≈", f"={_ABOUT}")
        return _LABEL.sub(": ", text)

    def differ(self, left: EquationSide, right: EquationSide) -> bool:
        """Return whether numbers alone can't tell if an equation holds: units to convert, sums of different things."""
        nouns = (left.nouns | right.nouns) - {_ABOUT}
        # '90 km/h * 30 minutes', '6 cans + 6 cans = 2 packs', '$50 + 20%', '25% = 60', '5m + 3 = 13'
        kinds = [key[0] for key, char in self._characters.items() if char in nouns and isinstance(key, tuple)]
        percent = self._characters.get("%") in nouns
        if len(set(kinds)) < len(kinds) or ((left.is_sum or right.is_sum) and (len(nouns) > 1 or percent)):
            return True
        tokens = (*left.tokens, "", *right.tokens)
        if percent and sum(map(_SIGNS.__contains__, tokens)) <= sum(pair == ("/", "100") for pair in pairwise(tokens)):
            return True
        one, other = left.nouns - {_ABOUT}, right.nouns - {_ABOUT}
        if nouns & self._ambiguous and not (one and other):
            return True
        if one and other and not (one <= other if left.is_number else other <= one):
            return True
        # '5 * 9 = 45 + 12 = 57', as people write one step after the other; '1.234 + 1 = 1.235', with digits in groups.
        first, second = _evaluate(left.tokens), _evaluate(right.tokens)
        if first is None or second is None or (len(right.tokens) > 2 and _evaluate(right.tokens[:1]) == first):
            return True
        # '0.3 * 100 = 30%'
        if percent and first in (100 * second, second / 100):
            return True
        points = [token for token in tokens if "." in token]
        if points and all(re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", token) for token in points):
            first, second = (_evaluate(tuple(t.replace(".", "") for t in side.tokens)) for side in (left, right))
            return first == second
        return _ABOUT in right.nouns and (not right.is_number or abs(first - second) <= _last_digit(right.tokens[-1]))

    def _phrase(self, phrase: str) -> str | None:
        """Return the characters of 'km/h' or 'eggs per box'; None if it has a word that is no noun."""
        parts = [part.strip() for part in re.split(r"/|\s+(?:per|every|a|an)\s+", phrase.strip(" /"))]
        words = [word for part in parts for word in part.lower().split()]
        marks = [self._known(part) or self._unknown(part) for part in parts]
        return None if None in marks or _NO_NOUNS & {*words} else "".join(map(str, marks))

    def _known(self, name: str) -> str | None:
        unit = units().get(name) or units().get(name.lower())
        mark = unit and self._of(unit)
        if mark and len(name) == 1 and name.isalpha() and name.isascii():
            self._ambiguous.add(mark)  # or a variable
        return mark

    def _unknown(self, part: str) -> str | None:
        first, *rest = part.split()
        if rest and (mark := self._known(first)):  # '5 minutes later'
            return mark
        if any(
            "^" in word or (len(word) < 3 and word.isascii()) or _NO_HAN_NOUN.search(word) for word in (first, *rest)
        ):
            return None
        return self._of(re.sub(r"(?<=x|h|s)es$|s$", "", first.lower()))

    def _of(self, key: object) -> str:
        return self._characters.setdefault(key, chr(_FIRST_NOUN + len(self._characters)))


def equations(line: str) -> Iterator[tuple[EquationSide, EquationSide]]:
    """Yield the two sides of each equation in a line; 'a = b = c' gives two equations."""
    if ("=" not in line and "＝" not in line) or len(line) > MOST_CHARACTERS:
        return
    line = _BULLET.sub("", _BOLD.sub(r"\1", line))
    start, stretch = 0, list[re.Match[str]]()
    for token in [*_TOKEN.finditer(line), None]:
        # Collect the longest stretch of numbers, operators, parentheses and equals signs.
        if token is not None and token.lastgroup != "other":
            stretch.append(token)
            continue
        # Split the stretch at its equals signs, if the text around it allows that.
        if stretch and any(t.lastgroup == "eq" for t in stretch):
            text, end = line[stretch[0].start() : stretch[-1].end()], stretch[-1].end()
            if (
                _OPENED_BY.search(line[:start])
                and _CLOSED_BY.match(line[end:])
                and not text.lstrip().startswith(("=", "＝"))
            ):
                sides = [_parse_side(part) for part in re.split("[=＝]", text)]
                yield from ((a, b) for a, b in pairwise(sides) if a.tokens and b.tokens)
        stretch = []
        start = token.end() if token else len(line)


def disprove(left: EquationSide, right: EquationSide) -> str | None:
    """Return '2 + 2 = 5, but 2 + 2 is 4' if the sides differ by more than rounding; None if not, or if in doubt."""
    if left.is_number and right.is_number:
        return None
    # Skip numbers that may be identifiers ('007'), and digits that may be binary or Boolean ('1 + 1 = 1').
    numbers = [token for token in (*left.tokens, *right.tokens) if token[0].isdigit()]
    if any(len(number) > MOST_DIGITS or re.match(r"0\d", number) for number in numbers):
        return None
    if all(set(number) <= {"0", "1"} for number in numbers):
        return None
    # Compare the values.
    one, other = _evaluate(left.tokens), _evaluate(right.tokens)
    if one is None or other is None:
        return None
    asked, value, result = (right, other, one) if left.is_number else (left, one, other)
    unit = _tolerance(left, right)
    # What can be written with the digits shown isn't rounded: '20 * 0.5 = 11'.
    if one == other or (unit and (value / unit).denominator > 1 and abs(one - other) <= unit):
        return None
    # Skip a range with a label, '90-100 = 4', and a percentage without its sign, '1/4 = 25'.
    if (set(asked.tokens) & _SIGNS == {"-"} and value < 0 <= result) or result == 100 * value:
        return None
    return f"{left.text} = {right.text}, but {asked.text} is {_format(value)}"


def _parse_side(text: str) -> EquationSide:
    tokens, nouns = [], []
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "noun":
            nouns.append(token.group())
        elif token.lastgroup != "gap":
            tokens.append(_OPERATORS.get(token.group(), token.group().replace(",", "")))
    shown = " ".join("".join(char for char in text if char not in nouns).split())
    return EquationSide(shown, tuple(tokens), frozenset(nouns))


def _tolerance(left: EquationSide, right: EquationSide) -> Fraction:
    """Return one unit of the last digit shown if a side may be rounded, as in '2 / 3 = 0.67'; otherwise 0."""
    tokens = (*left.tokens, *right.tokens)
    if not {"/", "^"} & {*tokens} and not any("." in token for token in tokens):
        return Fraction(0)
    results = [side.tokens[-1] for side in (left, right) if side.is_number]
    decimals = min((len(result.partition(".")[2]) for result in results), default=2)
    return Fraction(1, 10**decimals)


def _last_digit(number: str) -> Fraction:
    """Return one unit of the last digit that counts: 1/100 for '3.33', 100 for '2500'."""
    whole, _, decimals = number.partition(".")
    return Fraction(1, 10 ** len(decimals)) if decimals else Fraction(10) ** (len(whole) - len(whole.rstrip("0")))


def _format(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def _evaluate(tokens: tuple[str, ...]) -> Fraction | None:
    """Return the value by the usual precedence, or None if the tokens are no expression."""
    if any(one in _SIGNS and other in _SIGNS for one, other in pairwise(tokens)):  # '3 -- 5'
        return None
    # Numbers become names, as their digits must not pass through a float.
    values = {f"n{place}": Fraction(token) for place, token in enumerate(tokens) if token[0].isdigit()}
    names = [f"n{place}" if token[0].isdigit() else token for place, token in enumerate(tokens)]
    try:
        return evaluate(" ".join(names).replace("^", "**"), values)
    except (ArithmeticError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None

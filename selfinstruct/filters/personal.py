"""Find personal data and secrets in a text: e-mail addresses, phone and card numbers, IBANs, keys; not names.

`phonenumbers` knows which numbers a country assigns, and `python-stdnum` verifies the check digits of cards and IBANs.
E-mail addresses and keys are patterns. Known examples are ignored: reserved domains, numbers for films and tests,
'sk-xxxxxxxx'. No message repeats the data that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ..config.fields import Section
from ..core.language_tags import primary, region_of
from ..core.prompts import Ask
from ..core.records import Example
from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Candidate, SeedTask, Verdict

Kind = Literal["email", "phone", "card", "iban", "key"]
NAMES: dict[Kind, str] = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a card number",
    "iban": "an IBAN",
    "key": "a key or password",
}
_REGIONS = dict(item.split(":") for item in "en:US zh:CN ja:JP ko:KR cs:CZ da:DK el:GR he:IL sv:SE uk:UA vi:VN".split())
_REGIONS |= {code: code.upper() for code in "de es fi fr hu it nl no pl pt ro ru th tr".split()}
MOST_WARNINGS = 10
LEAST_VARIETY = 10
"""A key with fewer distinct characters is a placeholder."""

# 'ann.b+c@mail.shop.io', not inside a longer word.
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}[A-Za-z]{2,24}(?![\w-])",
    re.ASCII,
)
# 13 to 19 digits in groups: '4111 1111 1111 1111'. Visa, Mastercard, Amex, Diners, Discover, UnionPay, JCB.
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)", re.ASCII)
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|2\d\d)\d{12,15}|35\d{14}"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d\d(?: ?[A-Z0-9]{1,4}){3,9}(?!\w)", re.ASCII)
_PHONE = re.compile(r"[+＋(（]?\d(?:[\s().\-–/]{0,3}\d){6,}", re.ASCII)
# A password in a URL, 'https://ann:secret@host', unless it is a placeholder, 'https://user:password@host'.
_LOGIN = re.compile(r"""(?<=://)[^\s:/@'"<>{}$]{1,64}:[^\s:/@'"<>{}$]{3,64}(?=@[\w.-])""")
_USER = re.compile(r"://[^\s/@]*\Z")
_NO_LOGIN = re.compile(r"(?:user|username|login|name):(?:pass|password|passwd|pwd|secret|xxx+|\*+)", re.IGNORECASE)
_FILM = re.compile(r"\+1\d{3}555\d{4}|\+44(?:2079460|7700900|1632960|1914980|1144960)\d{3}")
"""Numbers reserved for drama: 555 in North America, and those listed by Ofcom in the United Kingdom."""


class PersonalDataOptions(Section):
    """What happens to personal data."""

    personal_data: Literal["redact", "refuse", "keep"] = Field(
        default="keep",
        description="E-mail addresses, phone and card numbers, IBANs, and keys in generated texts: replaced by "
        "[EMAIL] and so on, rejected as 'personal_data', or kept.",
    )


class PersonalSpan(NamedTuple):
    """Personal data at `text[start:end]`."""

    start: int
    end: int
    kind: Kind


def region_of_numbers(language: str) -> str | None:
    """Return the region of national phone numbers: the tag's, or a country of the language, or None.

    International numbers (+1 ...) are found in any language.
    """
    return region_of(language) or _REGIONS.get(primary(language))


def find_personal(text: str, region: str | None = None) -> list[PersonalSpan]:
    """Find personal data, in order and without overlaps. region: ISO 3166 code for national phone numbers."""
    found: list[PersonalSpan] = []
    searches = (_keys(text), _ibans(text), _cards(text), _emails(text), _phones(text, region))
    for one in (one for search in searches for one in search):
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    return sorted(found)


class PersonalData:
    """'personal_data': instruction, input or output contains personal data; the detail names the part and the kinds."""

    def __init__(self, language: str) -> None:
        self._region = region_of_numbers(language)

    def check(self, candidate: Candidate) -> Verdict:
        texts = {"instruction": candidate.instruction, "input": candidate.input, "output": candidate.output}
        return self.judge(texts)

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        """Check input and output only, because the instruction has already passed."""
        return self.judge({"input": example.given, "output": example.output})

    def judge(self, texts: dict[str, str | None]) -> Verdict:
        """Return the verdict on the first of some texts that holds personal data; the names go into its detail."""
        for part, text in texts.items():
            kinds = sorted({one.kind for one in find_personal(text or "", self._region)})
            if kinds:
                return Verdict("personal_data", f"{part}: {', '.join(kinds)}")
        return PASS


class Redactor:
    """Replaces personal data by [EMAIL], [PHONE], [CARD], [IBAN], [KEY]."""

    def __init__(self, language: str) -> None:
        self._region = region_of_numbers(language)

    def text(self, text: str) -> str:
        """Redact a text; redacting the result again changes nothing."""
        # Repeat, because data that overlapped with a replaced piece may be left.
        while found := find_personal(text, self._region):
            for one in reversed(found):
                text = f"{text[: one.start]}[{one.kind.upper()}]{text[one.end :]}"
        return text


def warnings_about(seeds: Sequence[SeedTask], language: str) -> list[str]:
    """Return a warning per seed text with personal data: the seed, the part, and the kinds, never the data itself."""
    lines = []
    for seed in seeds:
        parts = [("instruction", seed.instruction)]
        for number, instance in enumerate(seed.instances, 1):
            parts += [(f"input {number}", instance.input), (f"output {number}", instance.output)]
        for part, text in parts:
            kinds = sorted({one.kind for one in find_personal(text, region_of_numbers(language))})
            if kinds:
                what = " and ".join(NAMES[kind] for kind in kinds)
                lines.append(f"seed {seed.id!r}: {part} holds {what}; the teacher is shown it and may repeat it")
    if len(lines) > MOST_WARNINGS:
        lines[MOST_WARNINGS:] = [f"{len(lines) - MOST_WARNINGS:,} more seed texts with personal data"]
    return lines


def _keys(text: str) -> Iterator[PersonalSpan]:
    for match in _known().keys.finditer(text):
        if len(set(match.group())) >= LEAST_VARIETY and "EXAMPLE" not in match.group().upper():
            yield PersonalSpan(match.start(), match.end(), "key")
    for match in _LOGIN.finditer(text):
        if not _NO_LOGIN.fullmatch(match.group()):
            yield PersonalSpan(match.start(), match.end(), "key")


def _emails(text: str) -> Iterator[PersonalSpan]:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        domain = match.group().rpartition("@")[2].lower()
        in_address = _USER.search(text, max(0, match.start() - 80), match.start())
        if not in_address and not any(domain == known or domain.endswith(f".{known}") for known in _known().domains):
            yield PersonalSpan(match.start(), match.end(), "email")


def _cards(text: str) -> Iterator[PersonalSpan]:
    for match in _CARD.finditer(text):
        # Import the library only for texts with a plausible number.
        digits = re.sub(r"[ -]", "", match.group())
        if _ISSUERS.fullmatch(digits) and digits not in _known().numbers and len(set(digits)) > 2:
            from stdnum import luhn

            if luhn.is_valid(digits):
                yield PersonalSpan(match.start(), match.end(), "card")


def _ibans(text: str) -> Iterator[PersonalSpan]:
    for match in _IBAN.finditer(text):
        from stdnum import iban

        value = match.group()
        # A word in capitals may follow the IBAN, so shorten the match word by word.
        while len(value) >= 15:
            compact = value.replace(" ", "")
            if iban.is_valid(compact):
                if compact not in _known().numbers:
                    yield PersonalSpan(match.start(), match.start() + len(value), "iban")
                break
            value = value.rpartition(" ")[0]


def _phones(text: str, region: str | None) -> Iterator[PersonalSpan]:
    if not _PHONE.search(text):
        return
    import phonenumbers as pn

    for match in pn.PhoneNumberMatcher(text, region, leniency=pn.Leniency.STRICT_GROUPING, max_tries=1000):
        number, written = match.number, match.raw_string
        # Plain digits are more often an id than a phone number, except for Chinese mobile numbers.
        bare = written.isdecimal() and not (region == "CN" and pn.number_type(number) == pn.PhoneNumberType.MOBILE)
        if not bare and not _FILM.match(pn.format_number(number, pn.PhoneNumberFormat.E164)):
            yield PersonalSpan(match.start, match.end, "phone")


class _Known(NamedTuple):
    keys: re.Pattern[str]
    domains: frozenset[str]
    numbers: frozenset[str]


@lru_cache
def _known() -> _Known:
    values: dict[str, Any] = shipped_yaml(__package__, "personal.yaml")
    keys = re.compile("|".join(f"(?:{pattern})" for pattern in values["keys"]), re.ASCII)
    return _Known(keys, frozenset(values["reserved_domains"]), frozenset(values["known_numbers"]))

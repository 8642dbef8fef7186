"""Personal data and secrets in a text: e-mail addresses, phone and card numbers, IBANs, keys of known shapes.

Numbers are checked by libraries that know them: `phonenumbers` (which numbers a country hands out) and `python-stdnum`
(the check digits of cards, form and check digits of each country's IBAN). E-mail and keys are shapes, `personal.yaml`.
What is known to be no one's isn't found: domains for examples, numbers reserved for films and tests, 'sk-xxxxxxxx'.
Nothing here repeats what it has found, and names and postal addresses aren't looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ..config.fields import Section
from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Candidate, Instance, SeedTask, Verdict

Kind = Literal["email", "phone", "card", "iban", "key"]
NAMES: dict[Kind, str] = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a card number",
    "iban": "an IBAN",
    "key": "a key or password",
}
REGIONS = {"en": "US", "zh": "CN", "any": None}
"""Whose national phone numbers are found, by the configuration's language; those that begin with + always are."""
MOST_WARNINGS = 10
LEAST_VARIETY = 10
"""A key of fewer different characters is a placeholder."""

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}[A-Za-z]{2,24}(?![\w-])",
    re.ASCII,
)
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)", re.ASCII)
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|2\d\d)\d{12,15}|35\d{14}"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d\d(?: ?[A-Z0-9]{1,4}){3,9}(?!\w)", re.ASCII)
_PHONE = re.compile(r"[+＋(（]?\d(?:[\s().\-–/]{0,3}\d){6,}", re.ASCII)
_LOGIN = re.compile(r"""(?<=://)[^\s:/@'"<>{}$]{1,64}:[^\s:/@'"<>{}$]{3,64}(?=@[\w.-])""")
_USER = re.compile(r"://[^\s/@]*\Z")
_NO_LOGIN = re.compile(r"(?:user|username|login|name):(?:pass|password|passwd|pwd|secret|xxx+|\*+)", re.IGNORECASE)
_FILM = re.compile(r"\+1\d{3}555\d{4}|\+44(?:2079460|7700900|1632960|1914980|1144960)\d{3}")
"""Reserved for drama: North America's 555, the United Kingdom's as Ofcom lists them."""


class PersonalDataOptions(Section):
    """What happens to personal data."""

    personal_data: Literal["redact", "refuse", "keep"] = Field(
        default="keep",
        description="E-mail addresses, phone and card numbers, IBANs, and keys in generated texts: replaced by "
        "[EMAIL] and so on, rejected as 'personal_data', or kept.",
    )


class Found(NamedTuple):
    """A piece of a text, `text[start:end]`, and what it is."""

    start: int
    end: int
    kind: Kind


def find_personal(text: str, region: str | None = None) -> list[Found]:
    """What is found in a text, in order, no two overlapping. region: ISO 3166 code of its national phone numbers."""
    found: list[Found] = []
    searches = (_keys(text), _ibans(text), _cards(text), _emails(text), _phones(text, region))
    for one in (one for search in searches for one in search):
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    return sorted(found)


class PersonalData:
    """'personal_data': instruction, input or output holds some; the detail says which kinds and where."""

    def __init__(self, language: str) -> None:
        self._region = REGIONS[language]

    def check(self, candidate: Candidate) -> Verdict:
        texts = {"instruction": candidate.instruction, "input": candidate.input, "output": candidate.output}
        return self._judge(texts)

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        """The instruction has passed already."""
        return self._judge({"input": instance.input, "output": instance.output})

    def _judge(self, texts: dict[str, str | None]) -> Verdict:
        for part, text in texts.items():
            kinds = sorted({one.kind for one in find_personal(text or "", self._region)})
            if kinds:
                return Verdict("personal_data", f"{part}: {', '.join(kinds)}")
        return PASS


class Redactor:
    """Puts [EMAIL], [PHONE], [CARD], [IBAN], [KEY] in the place of what is found."""

    def __init__(self, language: str) -> None:
        self._region = REGIONS[language]

    def text(self, text: str) -> str:
        """The text without personal data; what is left holds none, so that redacting again changes nothing."""
        while found := find_personal(text, self._region):  # again: what overlapped with a piece may be left
            for one in reversed(found):
                text = f"{text[: one.start]}[{one.kind.upper()}]{text[one.end :]}"
        return text

    def candidate(self, candidate: Candidate) -> Candidate:
        """All three parts."""
        given, output = candidate.input, candidate.output
        return replace(
            candidate,
            instruction=self.text(candidate.instruction),
            input=None if given is None else self.text(given),
            output=None if output is None else self.text(output),
        )

    def instance(self, instance: Instance) -> Instance:
        """Both parts."""
        return Instance(self.text(instance.input), self.text(instance.output))


def warnings_about(seeds: Sequence[SeedTask], language: str) -> list[str]:
    """A line for each seed that holds personal data: which seed, which part, which kinds, never the data itself."""
    lines = []
    for seed in seeds:
        parts = [("instruction", seed.instruction)]
        for number, instance in enumerate(seed.instances, 1):
            parts += [(f"input {number}", instance.input), (f"output {number}", instance.output)]
        for part, text in parts:
            kinds = sorted({one.kind for one in find_personal(text, REGIONS[language])})
            if kinds:
                what = " and ".join(NAMES[kind] for kind in kinds)
                lines.append(f"seed {seed.id!r}: {part} holds {what}; the teacher is shown it and may repeat it")
    if len(lines) > MOST_WARNINGS:
        lines[MOST_WARNINGS:] = [f"{len(lines) - MOST_WARNINGS:,} more seed texts with personal data"]
    return lines


def _keys(text: str) -> Iterator[Found]:
    for match in _known().keys.finditer(text):
        if len(set(match.group())) >= LEAST_VARIETY and "EXAMPLE" not in match.group().upper():
            yield Found(match.start(), match.end(), "key")
    for match in _LOGIN.finditer(text):
        if not _NO_LOGIN.fullmatch(match.group()):
            yield Found(match.start(), match.end(), "key")


def _emails(text: str) -> Iterator[Found]:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        domain = match.group().rpartition("@")[2].lower()
        in_address = _USER.search(text, max(0, match.start() - 80), match.start())
        if not in_address and not any(domain == known or domain.endswith(f".{known}") for known in _known().domains):
            yield Found(match.start(), match.end(), "email")


def _cards(text: str) -> Iterator[Found]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"[ -]", "", match.group())
        if _ISSUERS.fullmatch(digits) and digits not in _known().numbers and len(set(digits)) > 2:
            from stdnum import luhn

            if luhn.is_valid(digits):
                yield Found(match.start(), match.end(), "card")


def _ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        from stdnum import iban

        value = match.group()
        while len(value) >= 15:  # a word in capitals may follow
            compact = value.replace(" ", "")
            if iban.is_valid(compact):
                if compact not in _known().numbers:
                    yield Found(match.start(), match.start() + len(value), "iban")
                break
            value = value.rpartition(" ")[0]


def _phones(text: str, region: str | None) -> Iterator[Found]:
    if not _PHONE.search(text):
        return
    import phonenumbers as pn

    for match in pn.PhoneNumberMatcher(text, region, leniency=pn.Leniency.STRICT_GROUPING, max_tries=1000):
        number, written = match.number, match.raw_string
        bare = written.isdecimal() and not (region == "CN" and pn.number_type(number) == pn.PhoneNumberType.MOBILE)
        if not bare and not _FILM.match(pn.format_number(number, pn.PhoneNumberFormat.E164)):
            yield Found(match.start, match.end, "phone")


class _Known(NamedTuple):
    keys: re.Pattern[str]
    domains: frozenset[str]
    numbers: frozenset[str]


@lru_cache
def _known() -> _Known:
    values: dict[str, Any] = shipped_yaml(__package__, "personal.yaml")
    keys = re.compile("|".join(f"(?:{pattern})" for pattern in values["keys"]), re.ASCII)
    return _Known(keys, frozenset(values["reserved_domains"]), frozenset(values["known_numbers"]))

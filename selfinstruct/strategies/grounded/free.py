"""Free answers of strong teachers: each claim with a quote from the passage, and each checked claim by claim.

The program rejects what it can prove wrong: a quote that is not in the passage, a name or number that the passage does
not have, a negation on one side only, a claim whose words are not in its quote. Then a judge says of each claim whether
the passage states it, and one claim that it does not reject the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...core.documents import Passage, Quote, holds
from ...core.prompts import Ask, Message, Prompt, Sampling
from ..wording import PromptWording
from .questions import contains, content
from .spans import spans
from .statements import words

Claim = tuple[str, Quote]
_REJECTED = {"contradicted": "claim_contradicted", "not_there": "claim_not_there"}
JUDGING = Sampling(temperature=0.0, max_tokens=8)
_LEAST_SHARED = 0.5
"""Share of a claim's words that its quote must have; a claim in other words has its names and verbs in common."""
_MOST_ADDED = 0.2
"""Share of a claim's words that its passage need not have, and one word at least."""


def read_claims(
    text: str, passages: Sequence[Passage], wording: PromptWording, language: str, *, same: bool = True
) -> tuple[list[Claim], str | None]:
    """Return the claims of an answer with their quotes, and why the answer is rejected as 'reason: detail', or None.

    The text has two lines for each claim: 'It keeps jobs for 3 days.' and 'Quote: Completed jobs are kept for 3 days'.
    same: whether the claims are in the language of the passages.
    """
    claims: list[Claim] = []
    mark, said = wording["quote_mark"], ""
    for line in filter(None, map(str.strip, text.split("\n"))):
        if not line.casefold().startswith(mark.casefold()):
            if said:
                return [], f"claim_without_quote: {said[:80]}"
            said = line
            continue
        quoted = line[len(mark) :].strip().strip('"“”„«»')
        found = next((quote for each in passages if (quote := each.find(quoted))), None)
        if not said or found is None:
            return [], f"quote_not_found: {quoted[:80]}"
        if error := unfaithful(said, found.text, " ".join(each.text for each in passages), language, same=same):
            return [], error
        claims.append((said, found))
        said = ""
    if said or not claims:
        return [], f"claim_without_quote: {(said or text)[:80]}"
    return claims, None


def sources_missing(claims: Sequence[Claim], passages: Sequence[Passage]) -> str | None:
    """Return that no claim is from one of the passages, as 'reason: detail'; None if each has one."""
    missing = [each.id for each in passages if not any(holds(each, quote) for _, quote in claims)]
    return f"evidence_from_one: nothing from {missing[0]}" if missing else None


def unfaithful(claim: str, quote: str, passage: str, language: str, *, same: bool = True) -> str | None:
    """Return what the program can prove wrong with a claim, as 'reason: detail'; None if nothing.

    same: whether both are in one language; else only digits can be compared, and the judge decides.
    """
    if not same:
        added = [digits for digits in re.findall(r"\d+", claim) if digits not in re.findall(r"\d+", quote)]
        return f"not_in_quote: {added[0]}" if added else None
    named = [span.text for span in spans(claim, language)] + re.findall(r"\d+(?:[.,]\d+)*", claim)
    if missing := next((each for each in named if not contains(quote, each)), None):
        return f"not_in_quote: {missing}"
    negations = words(language, "negations")
    if negations and len(negations.findall(claim)) % 2 != len(negations.findall(quote)) % 2:
        return f"negation_differs: {claim[:80]}"
    said = content(claim, language)
    if len(said & content(quote, language)) < _LEAST_SHARED * len(said):
        return f"claim_not_in_quote: {claim[:80]}"
    added = sorted(said - content(passage, language))
    if len(added) > max(1, _MOST_ADDED * len(said)):
        return f"claim_adds: {', '.join(added)}"
    return None


async def judge_claims(
    claims: list[Claim], passages: Sequence[Passage], wording: PromptWording, version: str, ask: Ask
) -> str | None:
    """Return why the judge rejects the answer, as 'reason: detail'; None if it finds every claim supported."""
    shown = "".join(wording.fill("shown", passage=each.text) + "\n" for each in passages)
    for claim, _ in claims:
        asked = shown + wording.fill("judge", claim=claim)
        messages = (Message("system", wording["judge_rules"]), Message("user", asked))
        answer = await ask(Prompt("judge", messages, JUDGING, version=version), role="judge")
        if answer.error:
            return answer.error
        verdict = re.sub(r"\W+", "_", answer.text.strip().casefold()).strip("_")
        if verdict != "supported":
            reason = _REJECTED.get(verdict, "claim_unclear")
            return f"{reason}: {claim[:80]}"
    return None

"""Language tags (BCP 47), and the shipped wording of prompts for any of them.

Wording is shipped in the languages of `OWN`, which use it as it is. A variety such as de-AT uses the wording of its
language, and any other tag the English one; both then ask for the language by name, see `language_tags.yaml`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .shipped import fill_in, shipped_text, shipped_yaml

OWN = ("en", "zh", "de", "fr", "es", "ja")
"""The languages with a wording of their own."""
SHIPPED = (*OWN, "any")
"""The values of `language` whose wording is complete. `any` leaves the language open."""

# 'de', 'fr-CA', 'zh-Hans', 'zh-Hant-TW', 'es-419', 'ca-valencia': language, script, region, variants.
TAG = r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"


class LanguageWording(NamedTuple):
    """The texts of a wording file in a language, and their version."""

    texts: dict[str, Any]
    digest: str


def canonical_tag(tag: str) -> str:
    """Return a tag in the case that BCP 47 recommends: 'zh-hant-tw' -> 'zh-Hant-TW'.

    Raises:
        ValueError: It is no tag; the message doesn't repeat the value.
    """
    if tag == "any":
        return tag
    known, first = _known(), tag.partition("-")[0].lower()
    named = {name.lower(): code for code, name in known["names"]["en"].items()}
    # 'german', 'deu', 'jp': the tag is known, but written otherwise.
    if meant := named.get(tag.lower()) or known["instead"].get(first):
        raise ValueError(f"must be a language tag; write {meant}")
    if not re.fullmatch(TAG, tag) or (len(first) == 2 and first not in known["codes"].split()):
        raise ValueError("must be a language tag (BCP 47) such as de, fr-CA, or zh-Hans, or 'any'")
    form = {2: str.upper, 4: str.title}
    return "-".join([first, *(form.get(len(part), str.lower)(part) for part in tag.split("-")[1:])])


def primary(tag: str) -> str:
    """Return the language of a tag without script and region: 'en-GB' -> 'en'."""
    return tag.partition("-")[0]


def region_of(tag: str) -> str | None:
    """Return the country of a tag: 'zh-Hant-TW' -> 'TW'."""
    return next((part for part in tag.split("-")[1:] if len(part) == 2), None)


def wording_language(tag: str) -> str:
    """Return the language of the wording that is shipped for a tag: 'de-AT' -> 'de', 'it' -> 'en'."""
    return primary(tag) if primary(tag) in OWN else "en"


def language_name(tag: str, within: str = "en") -> str:
    """Return the name of a language for a prompt: 'fr-BE' -> 'French (fr-BE)'; else a description with the tag.

    Args:
        tag: A canonical tag, or 'any', which prompts call English.
        within: The language of the wording.
    """
    tag = "en" if tag == "any" else tag
    # 'zh-Hant-TW' is looked up as 'zh-Hant'. The rest of the tag still says which variety is wanted.
    parts = tag.split("-")
    shorter = ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]
    for names in (_known()["names"][within], _known()["names"]["en"]):
        if found := next((short for short in shorter if short in names), None):
            return str(names[found]) if found == tag else f"{names[found]} ({tag})"
    return f"the language with the tag {tag}"


def in_language(texts: Mapping[str, Any], name: str, tag: str) -> dict[str, Any]:
    """Return a wording for a language: as it is for `SHIPPED`, otherwise with the language's name.

    Args:
        texts: Texts by key; values that aren't text stay unchanged.
        name: The strategy or the file, a key of `added` in language_tags.yaml.
        tag: The configured language.
    """
    if tag in SHIPPED:
        return dict(texts)
    shipped = wording_language(tag)
    own, language = language_name(shipped, shipped), language_name(tag, shipped)
    # 'all in English:' -> 'all in German:'
    worded = {key: text.replace(own, language) if isinstance(text, str) else text for key, text in texts.items()}
    return _extended(worded, _known()["added"][shipped].get(name, {}), {"language": language})


def with_answers(texts: Mapping[str, Any], name: str, tag: str, answers: Sequence[str]) -> dict[str, Any]:
    """Return a wording that also says in which languages answers are written; without `answers`, as it is.

    Args:
        texts: Texts by key. The text `answer_rule` is new: the rule for a request for an answer alone.
        name: The strategy or the file, a key of `answer_texts` in language_tags.yaml.
        tag: The configured language.
        answers: The configured languages of the answers.
    """
    if not answers:
        return dict(texts)
    shipped = wording_language(tag)
    words = _known()["answers"][shipped]
    named = {"answers": words["or"].join(language_name(each, shipped) for each in answers)}
    named["language"] = language_name(tag, shipped)
    added = {key: words[kind] for key, kind in _known()["answer_texts"].get(name, {}).items()}
    return _extended(texts, added, named) | {"answer_rule": fill_in(words["rule"], named)}


def _extended(texts: Mapping[str, Any], added: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    """Add sentences to the texts with the same keys, before the line ends that close them."""
    extended = dict(texts)
    for key in added.keys() & texts.keys():
        body = texts[key].rstrip("\n")
        extended[key] = f"{body}\n{fill_in(added[key], names)}{texts[key][len(body) :]}"
    return extended


@lru_cache
def load_wording_file(package: str | None, name: str, tag: str, answers: tuple[str, ...] = ()) -> LanguageWording:
    """Load a wording: of 'rubric.yaml' in English and Chinese, and of 'rubric.de.yaml' in German.

    Where the wording is used as it is, its digest is that of the file. answers: as in `with_answers`.
    """
    source = wording_file(name, tag)
    texts = with_answers(
        in_language(shipped_yaml(package, source)[wording_language(tag)], name, tag), name, tag, answers
    )
    version = shipped_text(package, source)
    if answers or tag not in SHIPPED:
        version += json.dumps(texts, sort_keys=True)
    return LanguageWording(texts, hashlib.sha256(version.encode()).hexdigest()[:12])


def wording_file(name: str, tag: str) -> str:
    """Return the file that holds the wording for a tag; a change of one language must not change the others' digest."""
    language = wording_language(tag)
    return name if language in ("en", "zh") else name.replace(".yaml", f".{language}.yaml")


@lru_cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = shipped_yaml(__package__, "language_tags.yaml")
    return known

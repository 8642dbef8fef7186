"""Load the table of terms and look up a teacher's terms by its host and by the name of its model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from ...config.options import TeacherOptions
from ...core.shipped import shipped_yaml

_MOST_NAMES = 3
"""Documents that a statement names."""

Training = Literal[
    "allowed", "silent", "conditions", "no_competing", "no_other_models", "no_training", "as_model", "unknown"
]
"""What terms say about training models on outputs; `terms.yaml` explains each value."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Summary of one published document.

    hosts, models: where the terms apply; `terms.yaml` explains them. license: license of the weights.
    naming: what a model trained on outputs must be called or display. stated: date given in the document.
    read: day on which the document was read, or None if it has not been read.
    """

    name: str
    training: Training
    says: str
    document: str
    address: str
    stated: date | None = None
    read: date | None = None
    license: str | None = None
    noncommercial: bool = False
    naming: str | None = None
    reseller: bool = False
    hosts: tuple[str, ...] = ()
    models: tuple[re.Pattern[str], ...] = ()

    @property
    def source(self) -> str:
        """Format document, dates, and address as the source of a statement."""
        dates = [f"of {self.stated}"] if self.stated else []
        dates.append(f"read {self.read}" if self.read else "not read")
        return f"{self.document}, {', '.join(dates)}, {self.address}"


@dataclass(frozen=True, slots=True)
class TeacherTerms:
    """All known terms for the outputs of one teacher.

    host: host of the teacher's server, or None if the teacher is not a server. provider: terms of that host.
    model: terms of the model, found by name. Both are None if the table has no entry.
    stated: the value of `teacher.license` in the configuration.
    """

    teacher: str
    host: str | None = None
    provider: Terms | None = None
    model: Terms | None = None
    stated: str | None = None

    @property
    def known(self) -> tuple[Terms, ...]:
        """Return the terms that apply, the provider's first."""
        return tuple(terms for terms in (self.provider, self.model) if terms is not None)


SEEDS = "Seed tasks"


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """License of what questions were made from: as stated, or that of a bundled seed file, otherwise None.

    shipped: the name of the bundled seed file. what: 'Seed tasks', or the documents that have this license.
    """

    license: str | None = None
    shipped: str | None = None
    what: str = SEEDS


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. seeds: maps the digest of each bundled seed file to its name."""

    providers: tuple[Terms, ...]
    models: tuple[Terms, ...]
    fake: Terms
    seeds: Mapping[str, str] = field(default_factory=dict)


SEEDS_LICENSE = "Apache-2.0"
"""License of the bundled seed files, which were written for selfinstruct."""


@lru_cache(maxsize=1)
def load_table() -> Table:
    """Return the bundled table."""
    table = shipped_yaml(__package__, "terms.yaml")
    return Table(
        tuple(map(_terms, table["providers"])),
        tuple(map(_terms, table["models"])),
        _terms(table["fake"]),
        table["seeds"],
    )


def terms_of(teacher: TeacherOptions, host: str | None = None) -> TeacherTerms:
    """Look up the terms of a teacher that answered at `host` (by default, the host in its configuration).

    A provider's terms cover the models that the provider makes. For a reseller, a self-hosted server, or a local model,
    the license of the model applies, found by the name of the model.
    """
    table = load_table()
    stated = teacher.license
    if teacher.is_fake:
        return TeacherTerms(teacher.model, model=table.fake, stated=stated)
    if host is None and teacher.address is not None:
        host = urlsplit(teacher.address).hostname
    name = teacher.model.lower()
    model = next((terms for terms in table.models if any(p.search(name) for p in terms.models)), None)
    provider = next((terms for terms in table.providers if host and _is_under(host, terms.hosts)), None)
    # OpenAI's terms cover its own models; a reseller such as a router serves models of others.
    if provider is not None and not provider.reseller:
        model = None
    return TeacherTerms(teacher.model, host, provider, model, stated)


def seed_terms(stated: str | None, digest: str | None) -> SourceTerms:
    """Return the license of the seeds with this digest: as stated, otherwise that of the matching bundled file."""
    shipped = load_table().seeds.get(digest or "")
    return SourceTerms(stated or (SEEDS_LICENSE if shipped else None), shipped)


def document_terms(stated: str | Mapping[str, str] | None, documents: Sequence[str]) -> list[SourceTerms]:
    """Return the licenses of documents; those with the same one are listed together.

    stated: one license for all of them, or licenses by pattern; the first pattern that matches a document counts.
    """
    by_license: dict[str | None, list[str]] = {}
    patterns = {"*": stated} if isinstance(stated, str) else stated or {}
    for document in documents:
        license = next((license for pattern, license in patterns.items() if fnmatchcase(document, pattern)), None)
        by_license.setdefault(license, []).append(document)
    return [SourceTerms(license, what=f"Documents ({_some(names)})") for license, names in by_license.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _is_under(host: str, hosts: tuple[str, ...]) -> bool:
    # 'eu.api.openai.com' is under 'api.openai.com', but 'notapi.openai.com' is not.
    return any(host == known or host.endswith("." + known) for known in hosts)


def _terms(row: dict[str, Any]) -> Terms:
    if row["training"] not in get_args(Training):
        raise ValueError(f"terms.yaml: {row['name']}: training: {row['training']}")
    # Compile the patterns once: '^qwen2\.5-3b'.
    patterns = tuple(re.compile(pattern) for pattern in row.pop("models", ()))
    return Terms(
        **{**row, "says": " ".join(row["says"].split()), "hosts": tuple(row.pop("hosts", ()))}, models=patterns
    )

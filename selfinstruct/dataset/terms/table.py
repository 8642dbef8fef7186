"""The table of terms, and which of them apply to a teacher: by the host that it is asked at and by the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Literal, get_args

from ...config.run_config import TeacherConfig
from ...core.shipped import shipped_yaml

Training = Literal[
    "allowed", "silent", "conditions", "no_competing", "no_other_models", "no_training", "as_model", "unknown"
]
"""What terms say of training models on outputs; `terms.yaml` explains each word."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one published text says, in our words.

    hosts, models: what it applies to, see `terms.yaml`. license: of the weights. naming: what a model that was trained
    on outputs must be called or show. stated: the date that the text bears; read: the day it was read, None where it
    wasn't.
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
        """Document, dates and address, as they stand behind every statement."""
        dates = [f"of {self.stated}"] if self.stated else []
        dates.append(f"read {self.read}" if self.read else "not read")
        return f"{self.document}, {', '.join(dates)}, {self.address}"


@dataclass(frozen=True, slots=True)
class TeacherTerms:
    """Everything known of one teacher's outputs. host: where it was asked, None for one that isn't a server's.

    provider: of that host; model: of the model by its name; each None where the table has nothing. stated: what the
    configuration says of it (`teacher.license`).
    """

    teacher: str
    host: str | None = None
    provider: Terms | None = None
    model: Terms | None = None
    stated: str | None = None

    @property
    def known(self) -> tuple[Terms, ...]:
        """The terms that apply, the provider's first."""
        return tuple(terms for terms in (self.provider, self.model) if terms is not None)


@dataclass(frozen=True, slots=True)
class SeedTerms:
    """The licence of the seeds: `license` as stated, or of a seed file that comes with the program, else None."""

    license: str | None = None
    shipped: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. seeds: names of the shipped seed files by their digest."""

    providers: tuple[Terms, ...]
    models: tuple[Terms, ...]
    fake: Terms
    seeds: Mapping[str, str] = field(default_factory=dict)


SEEDS_LICENSE = "Apache-2.0"
"""Of the seed files that come with the program: written for it, under its own licence."""


@lru_cache(maxsize=1)
def load_table() -> Table:
    """The table as it is shipped."""
    table = shipped_yaml(__package__, "terms.yaml")
    return Table(
        tuple(map(_terms, table["providers"])),
        tuple(map(_terms, table["models"])),
        _terms(table["fake"]),
        table["seeds"],
    )


def terms_of(teacher: TeacherConfig, host: str | None = None) -> TeacherTerms:
    """What the table says of a teacher that was asked at `host` (None: the one its configuration names).

    A first provider's terms cover its own models. At a reseller's, on a server of one's own and for a local model the
    model's licence counts, found by the model's name.
    """
    table = load_table()
    stated = teacher.license
    if teacher.kind == "fake":
        return TeacherTerms(teacher.model, model=table.fake, stated=stated)
    if teacher.kind == "openai":
        host = host or teacher.host
    name = teacher.model.lower()
    model = next((terms for terms in table.models if any(p.search(name) for p in terms.models)), None)
    provider = next((terms for terms in table.providers if host and _below(host, terms.hosts)), None)
    if provider is not None and not provider.reseller:
        model = None
    return TeacherTerms(teacher.model, host, provider, model, stated)


def seed_terms(stated: str | None, digest: str | None) -> SeedTerms:
    """The licence of seeds with that digest (`seeds.seeds_digest`): the stated one, else that of a shipped file."""
    shipped = load_table().seeds.get(digest or "")
    return SeedTerms(stated or (SEEDS_LICENSE if shipped else None), shipped)


def _below(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host == known or host.endswith("." + known) for known in hosts)


def _terms(row: dict[str, Any]) -> Terms:
    if row["training"] not in get_args(Training):
        raise ValueError(f"terms.yaml: {row['name']}: training: {row['training']}")
    patterns = tuple(re.compile(pattern) for pattern in row.pop("models", ()))
    return Terms(
        **{**row, "says": " ".join(row["says"].split()), "hosts": tuple(row.pop("hosts", ()))}, models=patterns
    )

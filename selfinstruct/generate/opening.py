"""Build the asker and its budget from the configuration, and start the teachers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from ..ask.asker import Asker
from ..ask.budget import Budget
from ..ask.prices import Price
from ..ask.router import Router
from ..config.run_config import RunConfig
from ..core.errors import TeacherError
from ..journal.journal import Journal
from ..teachers import by_batches
from ..teachers.counting import bound_of
from ..teachers.protocol import Teacher, full


def make_asker(
    config: RunConfig,
    journal: Journal,
    teachers: dict[str, Any],
    prices: Mapping[str, Price | None],
    *,
    detach: bool = False,
) -> tuple[Asker, Budget]:
    """Build the asker, which sends nothing until it is opened, and its budget.

    Args:
        config: The run's configuration.
        journal: Holds the answers, and what they have cost so far.
        teachers: The teachers by name. A teacher that is asked by batch jobs is replaced in place.
        prices: What each teacher costs, by its name; None where unknown. See `prices_of`.
        detach: End the start as soon as every question in flight waits in a batch job.

    Raises:
        ConfigError: A teacher can't be asked by batch jobs.
    """
    listed = config.all_models
    # The budget. The sources of the prices are stored for `status` and the card.
    bounds = {each.label: bound_of(each) for each in listed}
    budget = Budget(config, prices, journal.totals(), bounds, journal.reserved)
    sources = dict.fromkeys(price.source for price in prices.values() if price is not None)
    if sources:
        journal.set_meta(price_source="; ".join(sources))

    # The asker, and the batch jobs of those teachers that are asked that way.
    asker = Asker(journal, budget, Router(config), config.max_failures_in_a_row)
    for each in listed if teachers else ():
        learned = f"learned:{each.label}"
        full(teachers[each.label]).remember(journal.meta(learned), functools.partial(journal.note, learned))
        leave = functools.partial(asker.detach, each.label) if detach else None
        teachers[each.label] = by_batches(teachers[each.label], each, journal.jobs.of(each.label), leave)
    return asker, budget


async def enter(stack: contextlib.AsyncExitStack, teachers: Mapping[str, Teacher], asker: Asker) -> dict[str, Teacher]:
    """Start the teachers that are context managers, and return all that are ready.

    A teacher that fails to start is skipped for this run. A signal closes the asker and ends the wait.

    Args:
        stack: Stops the teachers when it closes.
        teachers: The teachers by name.
        asker: Learns which teachers failed to start.

    Raises:
        TeacherError: The only teacher failed to start.
    """
    ready: dict[str, Teacher] = {}
    for name, teacher in teachers.items():
        # Start the teacher in a task, which the closing asker cancels. Loading a model may take minutes.
        entering = asyncio.ensure_future(stack.enter_async_context(full(teacher)))
        asker.when_closed(entering.cancel)
        try:
            ready[name] = await entering
        except asyncio.CancelledError:
            if asker.reason is None:
                raise
            return ready
        except TeacherError as error:
            asker.lose(name, error)
            if len(teachers) == 1:
                raise
    return ready

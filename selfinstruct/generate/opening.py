"""A door put together from the configuration: prices, bounds and places, and the teachers made ready behind it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from ..ask.budget import Budget, price_of, stated_price
from ..ask.door import Door
from ..ask.roster import Roster
from ..config.run_config import RunConfig
from ..core.errors import TeacherError
from ..journal.journal import Journal
from ..teachers import by_batches
from ..teachers.counting import bound_of
from ..teachers.protocol import Teacher


def make_door(
    config: RunConfig, journal: Journal, teachers: dict[str, Any], *, own: bool = False, detach: bool = False
) -> tuple[Door, Budget]:
    """The door to `teachers`, by name, still shut, and its budget. Those asked by batch jobs are replaced in place.

    own: objects of the caller's, which cost only what the configuration says. Raises ConfigError.
    """
    listed = config.all_teachers
    prices = {each.label: stated_price(each) if own else price_of(each) for each in listed}
    budget = Budget(config, prices, journal.totals(), {each.label: bound_of(each) for each in listed})
    sources = dict.fromkeys(price.source for price in prices.values() if price is not None)
    if sources:
        journal.set_meta(price_source="; ".join(sources))
    door = Door(journal, budget, Roster(config), config.max_failures_in_a_row)
    for each in listed if teachers else ():
        leave = functools.partial(door.leave, each.label) if detach else None
        teachers[each.label] = by_batches(teachers[each.label], each, journal.jobs.of(each.label), leave)
    return door, budget


async def enter(stack: contextlib.AsyncExitStack, teachers: Mapping[str, Any], door: Door) -> dict[str, Teacher]:
    """The teachers, entered where they are context managers; given up when the door closes meanwhile (a signal).

    One that can't be had is lost to this start. Raises TeacherError where that leaves nobody.
    """
    ready: dict[str, Teacher] = {}
    for name, teacher in teachers.items():
        if not hasattr(teacher, "__aenter__"):
            ready[name] = teacher
            continue
        entering = asyncio.ensure_future(stack.enter_async_context(teacher))
        door.when_closed(entering.cancel)
        try:
            ready[name] = await entering
        except asyncio.CancelledError:
            if door.reason is None:
                raise
            return ready
        except TeacherError as error:
            door.lose(name, error)
            if len(teachers) == 1:
                raise
    return ready

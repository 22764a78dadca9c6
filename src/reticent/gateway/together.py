"""What one turn of the event loop wants to know is asked in one call of the model.

Many callers' requests arrive in one turn. A model in memory takes hardly longer for all of their
rows than for one, and answers a row alike whatever stands beside it; so the first to ask waits
for the end of the turn, and asks for everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reticent.dataset import Dataset, stack
from reticent.errors import ModelError
from reticent.target import Answer

Ask = Callable[[Dataset], Answer]


class Together:
    """Asks a target once a turn.

    Parameters
    ----------
    ask : answers rows; called in the loop's own thread.
    """

    __slots__ = ("_ask", "_waiting")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: list[tuple[Dataset, asyncio.Future[Answer]]] = []

    async def ask(self, rows: Dataset) -> Answer:
        """Answer n rows at the end of this turn.

        Raises
        ------
        ModelError : as the target does about these rows; others' rows do no harm.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._turn)
        self._waiting.append((rows, answer))
        return await answer

    def _turn(self) -> None:
        """Ask for all who wait: rows with the same columns in one call."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            self._answer(waiting)
            return
        alike: dict[tuple[str, ...], list[tuple[Dataset, asyncio.Future[Answer]]]] = {}
        for one in waiting:
            alike.setdefault(tuple(one[0].columns), []).append(one)
        for some in alike.values():
            self._answer(some)

    def _answer(self, some: list[tuple[Dataset, asyncio.Future[Answer]]]) -> None:
        try:
            told = self._ask(stack(*(rows for rows, _ in some)))
        except Exception as error:  # noqa: BLE001 (whoever asked gets it, whatever it is)
            if len(some) > 1:  # each alone, so that nobody fails another
                for one in some:
                    self._answer([one])
            elif not some[0][1].done():
                some[0][1].set_exception(_own(error))
            return
        start = 0
        for rows, answer in some:
            stop = start + len(rows)
            if not answer.done():
                answer.set_result(told if len(some) == 1 else told.take(slice(start, stop)))
            start = stop


def _own(error: Exception) -> Exception:
    """Keep an error that says what happened; anything else is the model's failure."""
    if isinstance(error, ModelError):
        return error
    return ModelError("an answer", f"the model raised {type(error).__name__}", "Mend the model")

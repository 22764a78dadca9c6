"""Micro-batching: questions that several threads ask at once become one call of the model.

A scikit-learn forest takes as long for sixty rows as for one. Whoever finds the model idle asks
it, for all who wait; the others' rows gather meanwhile and go in the next call. Nobody waits for
company but for a moment after a call that had some.
"""

from __future__ import annotations

import threading
import time

from reticent.dataset import Dataset, stack
from reticent.errors import ModelError
from reticent.target import Answer, Target
from reticent.targets.wrap import Around

MOST_ROWS = 1_024  # in one call; a larger question goes alone
LINGER = 0.001  # seconds that a busy model waits for more


class Question:
    """One thread's rows, and what became of them."""

    __slots__ = ("answer", "done", "error", "rows")

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows
        self.answer: Answer | None = None
        self.error: Exception = ModelError("an answer", "the call was stopped", "Ask again")
        self.done = False


class Batched(Around):
    """A target that may be asked from many threads, and asks the inner one from one at a time.

    Parameters
    ----------
    most_rows : rows in one call. linger : seconds that a busy model waits for more questions.
    """

    __slots__ = ("_asking", "_company", "_linger", "_most", "_turn", "_waiting", "calls")

    def __init__(self, inner: Target, most_rows: int = MOST_ROWS, linger: float = LINGER) -> None:
        self.inner, self._most, self._linger = inner, most_rows, linger
        self._turn = threading.Condition()
        self._waiting: list[Question] = []
        self._asking = self._company = False
        self.calls = 0  # of the inner target, for the curious

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, perhaps together with others'.

        Raises
        ------
        ModelError : as the inner target does about these rows; others' rows do no harm.
        """
        mine = Question(rows.select(self.inner.columns))
        with self._turn:
            self._waiting.append(mine)
        while not mine.done:
            with self._turn:
                while self._asking and not mine.done:
                    self._turn.wait()
                if mine.done:
                    break
                self._asking = True
            self._ask_next()
        if mine.answer is None:
            raise mine.error
        return mine.answer

    def _ask_next(self) -> None:
        """Ask for those who wait, as the only thread that does, and pass the turn on."""
        if self._company and self._linger:
            time.sleep(self._linger)
        with self._turn:
            together = self._taken()
        self._company = len(together) > 1
        try:
            self._answer(together)
        finally:
            with self._turn:
                for one in together:
                    one.done = True
                self._asking = False
                self._turn.notify_all()

    def _taken(self) -> list[Question]:
        """Take questions off the queue, first come first, while they fit into one call."""
        rows = taken = 0
        for one in self._waiting:
            if taken and rows + len(one.rows) > self._most:
                break
            rows, taken = rows + len(one.rows), taken + 1
        together, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return together

    def _answer(self, together: list[Question]) -> None:
        """Ask for all at once; where that fails, for each alone, so that nobody fails another."""
        try:
            self.calls += 1
            told = self.inner.ask(stack(*(one.rows for one in together)))
        except Exception as error:  # noqa: BLE001 (it is raised again, in the thread that asked)
            if len(together) == 1:
                together[0].error = error
                return
            for one in together:
                self._answer([one])
            return
        start = 0
        for one in together:
            one.answer = told.take(slice(start, start + len(one.rows)))
            start += len(one.rows)

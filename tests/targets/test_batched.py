"""Micro-batching: one call for all who wait, and everybody their own answer or error."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Answer, Reveals
from reticent.targets.batched import Batched

BAD = -1.0


class Slow:
    """A model that adds its columns, counts its calls, and fails where a row holds ``BAD``."""

    reveals = Reveals.LABEL | Reveals.ANY_ROW
    classes = None
    ignores: frozenset[str] = frozenset()

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.columns = ["a", "b"]
        self.sizes: list[int] = []
        self.inside = self.most_inside = 0

    def ask(self, rows: Dataset) -> Answer:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        time.sleep(self.seconds)
        self.inside -= 1
        self.sizes.append(len(rows))
        if (rows["a"] == BAD).any():
            raise ModelError("an answer", "the model failed", "Ask otherwise")
        return Answer(value=rows["a"] + rows["b"])


def rows(*firsts: float, matrix: bool = True) -> Dataset:
    x = np.array([[first, 0.5] for first in firsts])
    return Dataset.of_matrix(x, ("a", "b")) if matrix else Dataset({"b": x[:, 1], "a": x[:, 0]})


def ask_all(target: Batched, questions: list[Dataset]) -> list[Any]:
    """Ask each question in a thread of its own, all at once."""
    together = threading.Barrier(len(questions))

    def ask(question: Dataset) -> Any:
        together.wait()
        try:
            return target.ask(question).value
        except ModelError as error:
            return error

    with ThreadPoolExecutor(len(questions)) as threads:
        return list(threads.map(ask, questions))


def test_everybody_gets_their_own_answer_in_fewer_calls() -> None:
    inner = Slow()
    questions = [rows(*range(n, n + 1 + n % 3), matrix=bool(n % 2)) for n in range(24)]
    told = ask_all(Batched(inner), questions)
    for question, answer in zip(questions, told, strict=True):
        assert answer.tolist() == (question["a"] + 0.5).tolist()
    assert len(inner.sizes) <= 8
    assert sum(inner.sizes) == sum(map(len, questions))
    assert inner.most_inside == 1


def test_one_who_asks_alone_waits_for_nobody() -> None:
    target = Batched(Slow(0), linger=5.0)
    start = time.perf_counter()
    for _ in range(3):
        assert target.ask(rows(1)).value is not None
    assert time.perf_counter() - start < 1
    assert target.calls == 3


def test_an_error_is_told_to_whom_it_belongs_and_to_nobody_else() -> None:
    questions = [rows(n) for n in range(8)] + [rows(1, BAD), rows(BAD)]
    told = ask_all(Batched(Slow()), questions)
    assert [isinstance(one, ModelError) for one in told] == [False] * 8 + [True] * 2
    assert [one.tolist() for one in told[:8]] == [[n + 0.5] for n in range(8)]


def test_a_call_stays_within_its_rows_but_for_one_larger_question() -> None:
    inner = Slow()
    questions = [rows(1, 2) for _ in range(12)] + [rows(*range(9))]
    ask_all(Batched(inner, most_rows=5), questions)
    assert sum(inner.sizes) == 33
    assert {size for size in inner.sizes if size > 5} <= {9}


def test_a_target_that_is_stopped_leaves_nobody_waiting() -> None:
    class Stopped(Slow):
        def ask(self, rows: Dataset) -> Answer:
            raise KeyboardInterrupt

    target = Batched(Stopped())
    with pytest.raises(KeyboardInterrupt):
        target.ask(rows(1))
    with pytest.raises(KeyboardInterrupt):  # and the turn was passed on
        target.ask(rows(1))


def test_it_tells_what_the_inner_target_tells() -> None:
    target = Batched(Slow())
    assert target.columns == ["a", "b"]
    assert target.classes is None
    assert target.reveals == Slow.reveals

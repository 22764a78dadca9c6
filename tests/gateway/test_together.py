"""One call of the model for all who ask in one turn of the loop."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.gateway.together import Together
from reticent.target import Answer

NAMES = ("a", "b")


def rows(*numbers: float) -> Dataset:
    return Dataset.of_matrix(np.array([[one, 0.0] for one in numbers]), NAMES)


class Doubling:
    """Answers twice the first column; 13 is too much for it."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def ask(self, asked: Dataset) -> Answer:
        self.calls.append(len(asked))
        if (asked["a"] == 13).any():
            raise ModelError("an answer", "13", "Ask another")
        if (asked["a"] == 14).any():
            raise ZeroDivisionError
        return Answer(value=asked["a"] * 2)


async def values(together: Together, *asked: Dataset) -> list[list[float] | str]:
    told = await asyncio.gather(*map(together.ask, asked), return_exceptions=True)
    return [
        one.value.tolist() if isinstance(one, Answer) and one.value is not None else str(one)
        for one in told
    ]


def test_one_turn_is_one_call_and_each_gets_their_own_rows() -> None:
    model = Doubling()
    together = Together(model.ask)
    assert asyncio.run(values(together, rows(1), rows(2, 3), rows(4))) == [[2], [4, 6], [8]]
    assert model.calls == [4]
    assert asyncio.run(values(together, rows(5))) == [[10]]
    assert model.calls == [4, 1]


@pytest.mark.parametrize(("bad", "found"), [(13, "13"), (14, "ZeroDivisionError")])
def test_nobody_fails_another(bad: int, found: str) -> None:
    model = Doubling()
    told = asyncio.run(values(Together(model.ask), rows(1), rows(bad), rows(3)))
    assert (told[0], told[2]) == ([2], [6])
    assert found in str(told[1])


def test_rows_with_other_columns_go_apart() -> None:
    model = Doubling()
    fewer = Dataset({"a": np.array([7.0])})
    assert asyncio.run(values(Together(model.ask), rows(1), fewer)) == [[2], [14]]
    assert model.calls == [1, 1]


def test_who_no_longer_waits_does_no_harm() -> None:
    async def main() -> None:
        together = Together(Doubling().ask)
        gone = asyncio.create_task(together.ask(rows(1)))
        stays = asyncio.create_task(together.ask(rows(2)))
        await asyncio.sleep(0)
        gone.cancel()
        told = await stays
        assert told.value is not None
        assert told.value.tolist() == [4]

    asyncio.run(main())

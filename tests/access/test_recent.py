"""A bounded memory keeps what is used and never grows beyond its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reticent.access.recent import Recent


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30))), st.integers(1, 12))
def test_it_is_bounded_and_never_wrong(steps: list[tuple[bool, int]], most: int) -> None:
    memory: Recent[int, str] = Recent(most)
    for writes, key in steps:
        if writes:
            memory[key] = str(key)
        assert memory.get(key) in ((str(key),) if writes else (None, str(key)))
        assert len(memory) <= max(2, most)


def test_what_is_asked_for_stays_and_the_rest_goes() -> None:
    memory: Recent[int, int] = Recent(100)
    for key in range(1000):
        memory[key] = key
        assert memory.get(0) == 0
    assert memory.get(1) is None
    assert memory.get(999) == 999


def test_a_value_is_replaced_wherever_it_is() -> None:
    memory: Recent[int, int] = Recent(4)
    for key in (1, 2, 3):  # 1 and 2 are old now
        memory[key] = 0
    memory[1] = 7
    assert memory.get(1) == 7
    memory.clear()
    assert (memory.get(1), len(memory)) == (None, 0)

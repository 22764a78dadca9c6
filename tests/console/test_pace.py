"""How often anybody may try to log in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reticent.console.pace import MINUTE, Pace


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_address_has_so_many_attempts_a_minute_and_is_told_when_it_goes_on() -> None:
    clock = Clock()
    pace = Pace(each=3, together=100, clock=clock)
    assert [pace.wait("a") for _ in range(5)] == [0, 0, 0, 61, 61]
    assert pace.wait("b") == 0
    clock.now += 45
    assert pace.wait("a") == 16
    clock.now += 15
    assert pace.wait("a") == 0


def test_all_addresses_together_have_so_many_and_no_more_are_remembered() -> None:
    pace = Pace(each=3, together=10, clock=Clock())
    waits = [pace.wait(f"address {number}") for number in range(1000)]
    assert waits.count(0) == 10
    assert len(pace._tried) == 10


def test_a_clock_that_jumps_back_begins_a_new_minute() -> None:
    clock = Clock()
    pace = Pace(each=1, together=10, clock=clock)
    assert (pace.wait("a"), pace.wait("a")) == (0, 61)
    clock.now -= 500
    assert pace.wait("a") == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=60))
def test_the_limits_hold_in_every_minute(tries: list[tuple[str, float]]) -> None:
    clock = Clock()
    pace = Pace(each=2, together=4, clock=clock)
    began, each, together = -MINUTE, dict.fromkeys("abc", 0), 0
    for address, later in tries:
        clock.now += later
        if clock.now - began >= MINUTE:
            began, each, together = clock.now, dict.fromkeys("abc", 0), 0
        allowed = each[address] < 2 and together < 4
        wait = pace.wait(address)
        assert (wait == 0) == allowed
        assert 0 <= wait <= MINUTE + 1
        each[address] += allowed
        together += allowed

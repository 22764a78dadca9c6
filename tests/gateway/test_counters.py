"""What a gateway counts of itself."""

from __future__ import annotations

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reticent.gateway.counters import Counters, exposed


def metrics(counters: Counters) -> dict[tuple[str, str, str], float]:
    found = {}
    for family in text_string_to_metric_families(exposed(counters).decode()):
        for sample in family.samples:
            labels = sample.labels
            found[
                sample.name, labels.get("role", ""), labels.get("status", labels.get("le", ""))
            ] = sample.value
    return found


def test_replies_are_counted_by_role_and_status_and_never_by_caller() -> None:
    counters = Counters(["partner"])
    counters.replied("partner", 200, 0.003, 4, 3)
    counters.replied("partner", 299, 0.0, 0, 0)
    counters.replied("someone's key", 401, 20.0, 0, 0)
    found = metrics(counters)
    assert found["reticent_requests_total", "partner", "200"] == 1
    assert found["reticent_requests_total", "partner", "other"] == 1
    assert found["reticent_requests_total", "", "401"] == 1
    assert found["reticent_rows_asked_total", "", ""] == 4
    assert found["reticent_rows_answered_total", "", ""] == 3
    assert found["reticent_rows_refused_total", "", ""] == 1
    assert found["reticent_request_duration_seconds_count", "", ""] == 3
    assert found["reticent_request_duration_seconds_bucket", "", "0.0025"] == 1
    assert found["reticent_request_duration_seconds_bucket", "", "0.005"] == 2
    assert found["reticent_request_duration_seconds_bucket", "", "10.0"] == 2
    assert b"someone" not in exposed(counters)


def test_rows_are_counted_by_role_and_all_numbers_are_read_at_once() -> None:
    counters = Counters(["partner", "clinic"], workers=2)
    counters.replied("partner", 200, 0.1, 4, 4)
    counters.replied("somebody", 403, 0.1, 2, 0)
    counters.worker(1)
    counters.replied("partner", 429, 0.1, 3, 0)
    found = metrics(counters)
    rows = {role: found["reticent_role_rows_total", role, ""] for role in ("partner", "clinic", "")}
    assert rows == {"partner": 7, "clinic": 0, "": 2}
    totals, places = counters.totals(), counters.places()
    assert {name: totals[place] for name, place in places.items()} == {
        name: counters.total(name) for name in places
    }
    assert totals[places["rows/partner"]] == 7


def test_workers_count_on_their_own_stripe_and_are_added_up() -> None:
    counters = Counters(["partner"], workers=2)
    child = os.fork()
    if child == 0:
        counters.worker(1)
        counters.replied("partner", 200, 0.1, 5, 5)
        os._exit(0)
    os.waitpid(child, 0)
    counters.replied("partner", 200, 0.1, 1, 1)
    assert counters.total("rows_asked") == 6
    counters.worker(1)  # a worker that died begins anew, and its stripe with it
    assert counters.total("rows_asked") == 1


@pytest.mark.parametrize("role", ["other", "", "1", "partner/200"])
def test_a_role_may_have_any_name(role: str) -> None:
    counters = Counters([role, "partner"])
    for name in (role, "partner", "nobody"):
        counters.replied(name, 200, 11.0, 1, 1)
        counters.replied(name, 599, 0.0, 1, 1)
    found = metrics(counters)
    assert found["reticent_requests_total", role, "200"] == (2 if role == "" else 1)
    assert found["reticent_requests_total", "partner", "other"] == 1
    assert found["reticent_rows_asked_total", "", ""] == 6


def test_gauges_go_up_and_down() -> None:
    counters = Counters([])
    counters.add("in_flight")
    counters.add("in_flight", -1)
    counters.put("store_failed", 1)
    assert (counters.own("in_flight"), counters.total("store_failed")) == (0, 1)

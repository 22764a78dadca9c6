"""Callers at the command line: listed by tokens, frozen and released with a reason."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from desk import Desk
from reticent.access.identity import Identity
from reticent.access.keys import issue
from reticent.access.secret import root_secret
from reticent.event import Act
from reticent.gateway.journal import read
from reticent.monitor.standing import Standing, changed, standing
from reticent.store import Store
from reticent.stores.opened import open_store

OWNER = "Ann [red]Lee[/red]"


@pytest.fixture
def door(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A project with a root secret."""
    monkeypatch.delenv("RETICENT_SECRET", raising=False)
    desk.add('[roles.partner]\noutput = "label"\n')
    root_secret(desk.folder / ".reticent", create=True)
    return desk


@pytest.fixture
def store(door: Desk) -> Iterator[Store]:
    opened = open_store(None, door.folder / ".reticent")
    yield opened
    opened.close()


def known(door: Desk, store: Store) -> bytes:
    """A caller with a key: their token."""
    secret = root_secret(door.folder / ".reticent")
    record, _ = issue(secret, "partner", owner=OWNER, now=time.time())
    store.save_key(record)
    return Identity(store, secret).token(record.principal)


def callers(door: Desk, what: str, *typed: str) -> Any:
    told = door.run("callers", what, "reticent.toml", *typed)
    assert told.code == 0, told.err
    return told


def acts(store: Store) -> list[Act]:
    found = [read(one) for block in store.blocks() for one in block.entries
             if isinstance(one, bytes)]  # fmt: skip
    return [one for one in found if isinstance(one, Act)]


def test_nobody_is_there_at_first(door: Desk) -> None:
    assert callers(door, "list").out == "no callers yet.\n"
    assert callers(door, "list", "--state", "frozen").out == "no caller is frozen.\n"
    assert callers(door, "list", "--quiet").out == callers(door, "list", "--json").out == ""


def test_a_caller_is_frozen_and_released_with_a_reason(door: Desk, store: Store) -> None:
    caller = known(door, store)
    told = callers(door, "freeze", caller.hex(), "--reason", "it sweeps").out
    assert told == f"{caller.hex()[:12]} is frozen, effective within 1 s on all replicas\n"
    assert standing(store, caller).state == "frozen"
    (line,) = callers(door, "list", "--json").out.splitlines()
    shown = json.loads(line)
    assert (shown["caller"], shown["owner"], shown["state"], shown["reason"]) == (
        caller.hex(), OWNER, "frozen", "it sweeps",
    )  # fmt: skip
    done = callers(door, "release", caller.hex()[:10], "--reason", "a study", "--json").out
    assert json.loads(done)["state"] == "free"
    assert standing(store, caller).state == "free"
    first, second = acts(store)
    assert [(one.done, one.reason, one.subject) for one in (first, second)] == [
        ("freeze", "it sweeps", caller), ("release", "a study", caller),
    ]  # fmt: skip
    assert first.by == second.by
    assert len(first.by) == 16


def test_who_stands_out_of_all_callers_is_marked(door: Desk, store: Store) -> None:
    """From current evidence: what was once a large score and has faded is not."""
    for place in range(200):
        caller = place.to_bytes(16)
        nats = {0: 15.0, 1: 6.0, 2: -9.0}.get(place, 0.0)
        changed(store, caller, lambda one, n=nats: msgspec.structs.replace(
            one, evidence=(n,) * 16, score=2.0 * (n != 0), queries=5))  # type: ignore[misc]  # fmt: skip
    lines = [json.loads(line) for line in callers(door, "list", "--json").out.splitlines()]
    assert [one["caller"] for one in lines if one["chosen"]] == [bytes(16).hex()]
    told = callers(door, "list").out
    assert told.count("200 % *") == 1
    assert "* stands out of all 200 together" in " ".join(told.split())
    assert "at most 1 % keep to the allowance" in " ".join(told.split())


def test_who_is_not_free_stands_first(
    door: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    caller = known(door, store)
    others = [
        Standing(caller, "partner", 40, 2, (), 0.5), Standing(b"2" * 16, score=0.9),
        Standing(b"3" * 16, "partner", 99), Standing(b"4" * 16, state="slow", since=time.time()),
        Standing(b"5" * 16, state="frozen", score=7.0),
    ]  # fmt: skip
    for one in others:
        changed(store, one.principal, lambda _, one=one: one)  # type: ignore[misc]
    lines = callers(door, "list").out.splitlines()
    firsts = [line.split()[0] for line in lines[1:]]
    assert firsts == [one * 6 for one in ("35", "34", "32")] + [caller.hex()[:12], "33" * 6]
    assert OWNER in lines[4]  # as it was written, not as markup
    assert "50 %" in lines[4]
    few = callers(door, "list", "--most", "2").out.splitlines()
    assert len(few) == 4
    assert few[-1] == "3 more: --most 5"
    frozen = callers(door, "list", "--state", "frozen", "--json").out.splitlines()
    assert [json.loads(line)["caller"] for line in frozen] == ["35" * 16]


@pytest.mark.parametrize("what", ["freeze", "release"])
def test_what_cannot_be_done_is_refused(door: Desk, store: Store, what: str) -> None:
    caller = known(door, store).hex()
    store.close()
    for typed, found in (
        ((caller, "--reason", " "), "the reason: it is empty"),
        ((caller, "--reason", "a\nb"), "do not print"), ((caller,), "Missing option '--reason'"),
        (("Ann", "--reason", "x"), "no token"), (("00000000", "--reason", "x"), "no callers'"),
    ):  # fmt: skip
        assert found in door.refused("callers", what, "reticent.toml", *typed)


def test_a_project_without_a_secret_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETICENT_SECRET", raising=False)
    assert "secret" in desk.run("callers", "list", "reticent.toml").err


@pytest.mark.parametrize(("table", "found"), [
    ("[monitor]\nrespond = ['alert', 'frieze']\n", "(did you mean 'freeze'?)"),
    ("[monitor]\nrespond = 'alert'\n", "[monitor"),
    ("[monitor]\nrespond = []\n", "do not rise"),
    ("[monitor]\nmax_delay = 100\n", "out of range"),
    ("[monitor]\nmax_dely = 1\n", "(did you mean 'max_delay'?)"),
    ("permit = ['what_fi']\nrows_per_day = 5\n", "(did you mean 'what_if'?)"),
    ("permit = ['audit']\n", "rows_per_day"),
])  # fmt: skip
def test_a_ladder_or_a_permission_that_makes_no_sense_is_refused(
    door: Desk, table: str, found: str
) -> None:
    door.add(table)
    assert found.replace("[monitor", "monitor") in door.refused("callers", "list", "reticent.toml")


def test_a_ladder_and_a_permission_that_make_sense_are_read(door: Desk) -> None:
    door.add(
        "permit = ['what_if', 'audit']\nrows_per_day = 5\n"
        "[monitor]\nrespond = ['alert', 'coarsen', 'freeze']\nmax_delay = 2\n"
    )
    callers(door, "list")

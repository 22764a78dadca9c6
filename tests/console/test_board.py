"""What the pages show is what stands in the store and the counters."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.running import SECRET, run
from reticent.access.keys import issue
from reticent.console.board import SHOWN, Board, bets
from reticent.event import Alert
from reticent.gateway.budget import DAY, of_principal, of_role
from reticent.monitor.standing import Standing
from reticent.store import Note, Want, Work

from .keeping import Kept, alert, keeping, token, write_alert, write_standing

ROW = (30.0, 10.0, 0)
LOGS = (math.log(2), math.log(3), 0.0, -1e9, *(0.0,) * 12)


def board(kept: Kept) -> Board:
    return kept.console.board


def window() -> int:
    return int(time.time()) // DAY * DAY


def test_the_overview_counts_what_was_asked_by_role(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            for _ in range(3):
                await kept.gateway.ask("clinic", ROW, ROW)
            await kept.gateway.post(b"not json", kept.gateway.key("clinic"))
            await kept.gateway.post(b"{}", "rtc_unknown")
            found = board(kept).overview(kept.store)
            roles = {one.name: (one.requests, one.refused, one.rows) for one in found["roles"]}
            assert roles == {"clinic": (4, 1, 6), "partner": (0, 0, 0), "study": (0, 0, 0)}
            assert found["strangers"] == 1
            assert found["journal"]["head"].count == 4
            assert found["headline"].startswith("Quiet")
            assert not found["alarming"]

    run(main())


def test_the_overview_tells_alerts_of_today_and_who_is_frozen(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            now = time.time()
            for number, at in enumerate((now - 2 * DAY, now - 60, now - 30), 1):
                write_alert(kept.store, alert(number, at=at))
            write_standing(kept.store, Standing(token(1), state="frozen"))
            write_standing(kept.store, Standing(token(2), state="coarse"))
            found = board(kept).overview(kept.store)
            assert found["headline"] == "2 alerts in the last 24 hours; 1 caller is frozen."
            assert [one.id[-1] for one in found["alerts"]] == ["3", "2", "1"]
            assert found["states"] == {"free": 0, "coarse": 1, "slow": 0, "frozen": 1}
            assert found["alarming"]

    run(main())


def test_checkpoints_and_budgets_are_those_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path, rows_per_day=1000) as kept:
            store = kept.store
            store.commit(Work(wants=[Want(of_role("partner"), window(), 5000, 250, 250),
                                     Want("all", window(), 1000, 400, 400)]))  # fmt: skip
            await kept.gateway.ask("partner", ROW)
            await kept.gateway.worker.sign()
            found = board(kept).overview(store)
            assert found["journal"]["checkpoint"].count == 1
            partner = next(one for one in found["roles"] if one.name == "partner")
            (purse,) = partner.purses
            assert (purse.used, purse.limit) == (500, 5000)  # what was leased to answer, and ours
            assert [(one.used, one.limit) for one in found["purses"]] == [(450, 1000)]

    run(main())


def test_a_shadow_period_is_told_where_there_is_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path, progress=lambda: {"clinic": (64, 99)}) as kept:
            found = {one.name: one.learned for one in board(kept).overview(kept.store)["roles"]}
            assert found["clinic"] is not None
            assert found["clinic"][:2] == (64, 99)
            assert found["partner"] is None

    run(main())


def many(kept: Kept, number: int) -> None:
    kept.store.write([
        Note("standing", token(place), msgspec.msgpack.encode(Standing(
            token(place), role=("clinic", "partner")[place % 2], queries=place,
            score=place / number, last=1000.0 - place,
        )))
        for place in range(number)
    ])  # fmt: skip


@pytest.mark.parametrize(("wanted", "first"), [
    ({}, 199), ({"order": "last"}, 0), ({"order": "queries"}, 199), ({"role": "clinic"}, 198),
    ({"state": "frozen"}, 77), ({"token": token(5).hex()[:10]}, 5),
    ({"token": " " + token(5).hex()[:4].upper() + " " + token(5).hex()[4:8]}, 5),
])  # fmt: skip
def test_callers_are_found_and_put_in_order(
    tmp_path: Path, wanted: dict[str, Any], first: int
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            many(kept, 200)
            if wanted.get("state"):
                write_standing(kept.store, Standing(token(77), state="frozen"))
            found = board(kept).callers(kept.store, **wanted)
            assert found["page"].rows[0].principal == token(first)
            assert found["roles"] == (["", "clinic", "partner"] if wanted.get("state")
                                      else ["clinic", "partner"])  # fmt: skip

    run(main())


def test_whoever_is_treated_stands_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            many(kept, 10)
            write_standing(kept.store, Standing(token(50), state="frozen", score=0.1))
            write_standing(kept.store, Standing(token(51), state="coarse", score=5.0))
            rows = board(kept).callers(kept.store)["page"].rows
            assert [one.principal for one in rows[:3]] == [token(50), token(51), token(9)]

    run(main())


def test_a_list_of_callers_tells_when_each_raised_its_last_alert(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            for number, at in ((1, 500.0), (2, 900.0), (3, 100.0)):
                write_alert(kept.store, alert(number, token(5), at=at))
            assert board(kept).callers(kept.store)["raised"] == {token(5): 900.0}

    run(main())


def test_lists_are_paged_and_a_page_too_far_is_the_last(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            many(kept, 2 * SHOWN + 7)
            seen: set[bytes] = set()
            for number in (1, 2, 3):
                page = board(kept).callers(kept.store, number=number)["page"]
                assert (page.number, page.pages, page.total) == (number, 3, 2 * SHOWN + 7)
                seen |= {one.principal for one in page.rows}
            assert len(seen) == 2 * SHOWN + 7
            for wrong, right in ((0, 1), (-5, 1), (999, 3)):
                assert board(kept).callers(kept.store, number=wrong)["page"].number == right
            query = board(kept).callers(kept.store, role="a b&c", state="free")["query"]
            assert query == "role=a+b%26c&state=free&"

    run(main())


def test_a_caller_is_told_with_their_alerts_also_where_they_were_one_of_several(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            store, now = kept.store, time.time()
            store.commit(Work(wants=[Want(of_principal(token(1), DAY), window(), 500, 7, 7)]))
            write_standing(store, Standing(token(1), role="partner", evidence=LOGS))
            write_alert(store, alert(1, token(1), at=now - 50))
            write_alert(store, alert(2, token(9), at=now - 20, others=(token(1),)))
            write_alert(store, alert(3, token(8)))
            found = board(kept).caller(store, token(1), admin=False)
            assert found is not None
            assert [one.id[-1] for one in found["alerts"]] == ["2", "1"]
            assert found["bets"] == bets(LOGS)
            assert [(one.used, one.limit) for one in found["purses"]] == [(7, 500)]
            assert found["timeline"].count('class="alarm"') == 2
            other = board(kept).caller(store, token(9), admin=False)  # without a standing
            assert other is not None
            assert other["caller"].role == "partner"
            assert board(kept).caller(store, token(77), admin=True) is None

    run(main())


def test_bets_are_told_as_wealth_by_name_and_stay_numbers_whatever_is_stored() -> None:
    told = dict(bets(LOGS))
    assert list(told) == ["sweep", "coverage", "jitter", "refusals"]
    assert told["sweep"] == pytest.approx((2 + 3 + 1 + 0) / 4)
    assert told["coverage"] == 1.0
    assert math.isfinite(dict(bets((1e300,) * 16))["jitter"])
    assert bets((0.5, 0.5)) == bets(()) == []  # another version of the program kept them


def test_a_shadow_period_is_the_workers_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            assert board(kept)._progress() == kept.gateway.worker.remembering.progress()
            assert {one.name for one in board(kept).roles(kept.store) if one.learned} == {
                "clinic",
                "partner",
                "study",
            }

    run(main())


def test_whose_key_it_is_follows_the_keys(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            names, token_of = board(kept).names, kept.gateway.worker.guard.identity.token
            kept.gateway.key("partner", "Mercy Hospital")
            caller = token_of("owner:Mercy Hospital")
            assert names(kept.store)[caller] == "Mercy Hospital"
            write_standing(kept.store, Standing(caller, queries=1))
            write_alert(kept.store, alert(1, caller))
            for admin, told in ((True, "Mercy Hospital"), (False, "")):
                found = board(kept).caller(kept.store, caller, admin)
                raised = board(kept).alert(kept.store, b"%032x" % 1, admin)
                assert found is not None
                assert raised is not None
                assert found["names"] == raised["names"][caller] == told
            record, _ = issue(SECRET, "partner", now=time.time())
            kept.store.save_key(record)
            assert names(kept.store)[token_of(record.principal)] == f"key {record.id}"

    run(main())


def test_an_alert_that_another_version_wrote_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            write_alert(kept.store, alert(1))
            kept.store.write([Note("alert", b"strange", msgspec.msgpack.encode({"caller": 5}))])
            kept.store.write([Note("alert", b"broken", b"\xc1")])
            found = board(kept).alert_list(kept.store)
            assert [one.id for one in found["page"].rows] == [f"{1:032x}"]
            assert board(kept).alert(kept.store, b"strange", admin=True) is None

    run(main())


def test_a_standing_that_cannot_be_read_is_shown_frozen(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            kept.store.write([Note("standing", token(1), b"\xc1")])
            (row,) = board(kept).callers(kept.store)["page"].rows
            assert row.state == "frozen"

    run(main())


def test_alerts_are_found_by_detector_and_role(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            for number, (detector, role) in enumerate([("sweep", "clinic"), ("sweep", "partner"),
                                                       ("linked", "partner")]):  # fmt: skip
                write_alert(kept.store, alert(number, detector=detector, role=role))

            def rows(**wanted: str) -> list[int]:
                found = board(kept).alert_list(kept.store, **wanted)  # type: ignore[arg-type]
                return sorted(int(one.id, 16) for one in found["page"].rows)

            assert rows() == [0, 1, 2]
            assert rows(detector="sweep") == [0, 1]
            assert rows(detector="sweep", role="partner") == [1]
            assert rows(detector="none") == []

    run(main())


def test_the_keys_of_a_role_are_those_that_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            for role, owner in (("clinic", "a"), ("clinic", "b"), ("observer", "c")):
                kept.gateway.key(role, owner)
            found = board(kept).roles_page(kept.store, admin=True)
            owners = {one.name: [key.owner for key in one.keys] for one in found["roles"]}
            assert owners == {"clinic": ["a", "b"], "partner": [], "study": []}
            reserved = {name: [key.owner for key in keys] for name, keys in found["reserved"]}
            assert reserved == {"admin": [], "observer": ["c"]}

    run(main())


def test_an_alert_without_a_name_of_its_own_has_its_notes(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            bare = Alert(caller=token(1), query=0, detector="sweep", reason="r", promise="p")
            kept.store.write([Note("alert", b"abc", msgspec.msgpack.encode(bare))])
            (row,) = board(kept).alert_list(kept.store)["page"].rows
            assert row.id == "abc"

    run(main())

"""Whoever takes something out of a project's journal, or puts something in, is found out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.alive import Site, built, site, sites
from reticent.gateway.journal import checkpoint
from reticent.store import Work

__all__ = ["built", "site", "sites"]


def test_the_journal_verifies_and_nothing_can_be_taken_out_of_it(site: Site) -> None:
    partner, observer = site.key("partner"), site.key("observer")
    with site.alive() as gateway:
        for _ in range(5):
            gateway.ask(partner)
        told = gateway.send("GET", "/admin/checkpoint", key=observer, admin=True)
        exported = site.folder / "exported.json"
        exported.write_bytes(told.body)
        assert told.json["count"] == 5
        for _ in range(4):
            gateway.ask(partner)
        verdict = verified(site)
        assert verdict["verified"]
        assert "last 4 entries are unproven" in verdict["holds"][-1]
    assert "9 entries in one unbroken chain" in verified(site)["holds"][0]
    assert "first 9 entries are proven" in verified(site)["holds"][-1]
    assert verified(site, exported)["verified"]
    assert json.loads(site.run("verify", "exported.json", "--key", ".reticent/signing.pub",
                               "--json").stdout)["verified"]  # fmt: skip
    assert site.here("policy", "erase", str(site.toml), "--owner", "partner") == (
        0, [{"erased": 9}],
    )  # fmt: skip
    assert verified(site, exported)["verified"]
    whole = (site.state / "store.db").read_bytes()

    def damaged(*statements: str) -> dict[str, Any]:
        for name in ("store.db-wal", "store.db-shm"):
            (site.state / name).unlink(missing_ok=True)
        (site.state / "store.db").write_bytes(whole)
        with closing(sqlite3.connect(site.state / "store.db", isolation_level=None)) as db:
            for statement in statements:
                assert db.execute(statement).rowcount > 0
        return verified(site, exported)

    def changed(place: int) -> dict[str, Any]:
        """Flip one bit of the fifth entry."""
        (site.state / "store.db").write_bytes(whole)
        with closing(sqlite3.connect(site.state / "store.db", isolation_level=None)) as db:
            found = bytearray(db.execute("SELECT entries FROM journal").fetchall()[4][0])
            found[place] ^= 1
            db.execute("UPDATE journal SET entries = ? WHERE first = 4", (bytes(found),))
        return verified(site, exported)

    cases = {
        "a byte": ["UPDATE journal SET head = zeroblob(32) WHERE first = 3"],
        "a block": ["DELETE FROM journal WHERE first = 4"],
        "the end": ["DELETE FROM journal WHERE first >= 3"],
        "the end, and who says so": ["DELETE FROM journal WHERE first >= 3",
                                     "DELETE FROM checkpoints"],
        "the beginning": ["DELETE FROM journal WHERE first < 2"],
        "all": ["DELETE FROM journal", "DELETE FROM checkpoints"],
    }  # fmt: skip
    for name, statements in cases.items():
        verdict = damaged(*statements)
        assert not verdict["verified"], name
        assert verdict["problems"], name
    for place in (0, 1, 10, -1):
        assert not changed(place)["verified"], place
    assert damaged("UPDATE state SET touched = 9")["verified"]


def verified(site: Site, *exported: Path) -> dict[str, Any]:
    more = [word for path in exported for word in ("--checkpoint", str(path))]
    code, told = site.here("verify", str(site.toml), *more)
    found: dict[str, Any] = told[0]
    assert found["verified"] == (code == 0)
    return found


def test_a_foreign_signer_is_called_by_name(site: Site) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from reticent.access.secret import signing_key
    from reticent.gateway.journal import fingerprint

    own, foreign = signing_key(site.state, create=True), Ed25519PrivateKey.generate()
    with closing(site.store()) as store:
        store.commit(Work([b"an entry"]))
        head = store.head()
        store.save_checkpoint(1, checkpoint(head, own, 0.0))
        assert verified(site)["verified"]
        store.save_checkpoint(1, checkpoint(head, foreign, 0.0))
    problem = " ".join(verified(site)["problems"])
    assert fingerprint(foreign.public_key()) in problem
    assert fingerprint(own.public_key()) in problem

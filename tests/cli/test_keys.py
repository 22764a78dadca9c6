"""Keys at the command line: made, listed, rotated, revoked; their secrets are told once."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest

from desk import Desk
from reticent.access.identity import Identity, Principal
from reticent.access.secret import root_secret
from reticent.cli.keys import LOST
from reticent.stores.opened import open_store

ROLES = '[roles.partner]\noutput = "label"\n[roles.clinic]\noutput = "scores"\n'
OIDC = (
    '[oidc]\nissuer = "https://login.example"\naudience = "x"\n'
    'roles = {analyst = "partner", boss = "admin"}\n'
)


@pytest.fixture
def door(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A project with two roles and no keys."""
    monkeypatch.delenv("RETICENT_SECRET", raising=False)
    desk.add(ROLES)
    return desk


def keys(desk: Desk, what: str, *typed: str) -> Any:
    """Run a command on keys that has to succeed."""
    told = desk.run("keys", what, "reticent.toml", *typed)
    assert told.code == 0, told.err
    return told


def make(desk: Desk, *typed: str) -> str:
    told = keys(desk, "create", "--role", "partner", *typed)
    assert re.fullmatch(r"rtc_[a-z2-7]{12}_[\w-]{43}\n", told.out)
    return str(told.out).strip()


def listed(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(line) for line in keys(desk, "list", "--json").out.splitlines()]


def who(desk: Desk, key: str, later: float = 0.0) -> Principal | None:
    """Ask the gateway's own code who shows this key."""
    folder = desk.folder / ".reticent"
    store = open_store(None, folder)
    try:
        identity = Identity(store, root_secret(folder))
        return asyncio.run(identity.who(f"Bearer {key}".encode(), time.time() + later))
    finally:
        store.close()


def test_a_key_is_printed_alone_and_lets_in(door: Desk) -> None:
    told = keys(door, "create", "--role", "partner", "--owner", "Ann", "--expires", "90d")
    key = told.out.strip()
    assert told.out == f"{key}\n"
    assert key[17:] not in told.err
    assert "not shown again" in told.err
    assert keys(door, "create", "--role", "clinic", "--quiet").err == ""
    found = who(door, key)
    assert found is not None
    assert (found.role, found.auditor) == ("partner", False)
    assert found.expires == pytest.approx(time.time() + 90 * 86400, abs=60)
    assert who(door, key, 91 * 86400) is None


def test_what_is_kept_is_private_and_no_key(door: Desk) -> None:
    key = make(door)
    folder = door.folder / ".reticent"
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert key[17:].encode() not in path.read_bytes()


def test_json_holds_the_key_once(door: Desk) -> None:
    made = json.loads(keys(door, "create", "--role", "admin", "--json").out)
    found = who(door, made["key"])
    assert found is not None
    assert (found.role, made["role"], made["state"]) == ("admin", "admin", "active")
    assert listed(door) == [{name: made[name] for name in made if name != "key"}]


def test_the_list_tells_no_secret(door: Desk) -> None:
    assert "no keys yet" in keys(door, "list").out
    assert keys(door, "list", "--quiet").out == keys(door, "list", "--json").out == ""
    made = [make(door, "--owner", "[bold]Ann"), make(door, "--auditor"), make(door)]
    keys(door, "revoke", made[2][4:16])
    told = keys(door, "list").out + keys(door, "list", "--json").out
    for key in made:
        assert key[4:16] in told
        assert key[17:] not in told
    assert "[bold]Ann" in told
    assert "partner (auditor)" in told
    assert [row["state"] for row in listed(door)] == ["active", "active", "revoked"]
    assert [row["auditor"] for row in listed(door)] == [False, True, False]


def test_an_auditors_key_is_its_own_principal_for_a_day(door: Desk) -> None:
    plain, auditor = who(door, make(door, "--owner", "Ann")), None
    key = make(door, "--owner", "Ann", "--auditor")
    auditor = who(door, key)
    assert plain is not None
    assert auditor is not None
    assert auditor.auditor
    assert auditor.token != plain.token
    assert who(door, key, 86390) is not None
    assert who(door, key, 86410) is None


def test_rotation_keeps_the_principal(door: Desk) -> None:
    old = make(door)
    before = who(door, old)
    new = str(keys(door, "rotate", old[4:16]).out).strip()
    after = who(door, new)
    assert before is not None
    assert after is not None
    assert (after.token, after.role) == (before.token, before.role)
    assert who(door, old) is None
    newer = str(keys(door, "rotate", new[4:16], "--grace", "1h", "--expires", "2h").out).strip()
    assert who(door, new) is not None
    assert who(door, new, 3610) is None
    assert who(door, newer, 3610) is not None
    assert who(door, newer, 7210) is None


def test_revoking(door: Desk) -> None:
    key, other = make(door), make(door)
    assert "within 1 s" in keys(door, "revoke", key).out  # the whole key serves as its id
    assert who(door, key) is None
    assert who(door, other) is not None
    assert who(door, key, -3600) is None  # on a machine whose clock is behind
    first = json.loads(keys(door, "revoke", key[4:16], "--json").out)
    assert first["state"] == "revoked"
    assert keys(door, "revoke", key[4:16], "--quiet").out == ""
    assert "it is revoked" in door.refused("keys", "rotate", "reticent.toml", key[4:16])


def test_what_is_refused_leaves_nothing(door: Desk) -> None:
    def told(*typed: str) -> str:
        return door.refused("keys", "create", "reticent.toml", *typed)

    assert "did you mean 'partner'?" in told("--role", "prtner")
    assert "Missing option '--role'" in told()
    assert "Write 90d" in told("--role", "partner", "--expires", "soon")
    assert "1h to 7d" in told("--role", "partner", "--auditor", "--expires", "8d")
    assert "told nothing" in told("--role", "admin", "--auditor")
    assert "do not print" in told("--role", "partner", "--owner", "a\x1b[31m")
    assert not (door.folder / ".reticent").exists()


def test_a_key_that_is_not_there(door: Desk) -> None:
    key = make(door)
    near = "a" + key[5:16] if key[4] != "a" else "b" + key[5:16]
    assert f"did you mean {key[4:16]!r}?" in door.refused("keys", "revoke", "reticent.toml", near)
    for typed in ("", "rtc_", f"x{key[17:]}", "X" * 12, "../secret"):
        told = door.refused("keys", "revoke", "reticent.toml", typed)
        assert "is no id" in told
        assert key[17:] not in told


def test_keys_of_a_lost_secret_are_named(door: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make(door)
    secret = door.folder / ".reticent" / "secret"
    kept = secret.read_text()
    for given in (None, "x" * 32):
        secret.unlink(missing_ok=True)
        if given is not None:
            monkeypatch.setenv("RETICENT_SECRET", given)
        told = door.refused("keys", "create", "reticent.toml", "--role", "partner")
        assert "made with another one" in told
        assert "RETICENT_SECRET" in told
        assert [row["state"] for row in listed(door)] == [LOST]
    keys(door, "revoke", key)
    make(door)
    assert [row["state"] for row in listed(door)] == ["revoked", "active"]
    monkeypatch.setenv("RETICENT_SECRET", kept)
    assert [row["state"] for row in listed(door)] == ["revoked", LOST]


def test_a_secret_that_others_may_read_stops_every_command(door: Desk) -> None:
    key = make(door)
    secret = door.folder / ".reticent" / "secret"
    secret.chmod(0o644)
    for typed in (["create", "--role", "partner"], ["list"], ["rotate", key[4:16]]):
        told = door.refused("keys", typed[0], "reticent.toml", *typed[1:])
        assert "chmod 600" in told
    assert "chmod 600" in door.refused("audit", "reticent.toml", "--no-canaries")


# [oidc] in the project file -------------------------------------------------------------------


def test_the_table_oidc_is_read_and_checked(door: Desk) -> None:
    door.add(OIDC)
    assert "no keys yet" in keys(door, "list").out
    for old, new, words in [
        ('"partner"', '"partners"', "did you mean 'partner'?"),
        ("audience =", "audiense =", "did you mean 'audience'?"),
        ("https:", "http:", "[oidc] issuer"),
        ("roles = {", 'algorithms = ["none"]\nroles = {', "'none' is not accepted"),
        ("roles = {", "leeway = true\nroles = {", "oidc.leeway"),
    ]:
        text = (door.folder / "reticent.toml").read_text()
        door.toml(text.replace(OIDC, OIDC.replace(old, new)))
        assert words in door.refused("keys", "list", "reticent.toml")
        door.toml(text)

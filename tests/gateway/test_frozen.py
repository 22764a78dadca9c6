"""A freeze on living gateways: on every worker and replica, and after a power cut."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from reticent.access.identity import Identity
from reticent.access.secret import root_secret
from reticent.gateway.guard import FROZEN
from stores.conftest import Server, server

from .alive import TOML, Alive, Site, Sites, eventually

__all__ = ["server"]


def token(site: Site, owner: str, url: str | None = None) -> str:
    """An owner's token, in hex."""
    with closing(site.store(url)) as store:
        records = store.keys()
        name = next(one.principal for one in records if one.owner == owner)
        return Identity(store, root_secret(site.state)).token(name).hex()


def act(site: Site, what: str, caller: str) -> float:
    """Freeze or release at the command line: when it was done."""
    code, _ = site.here("callers", what, str(site.toml), caller, "--reason", "a test")
    assert code == 0
    return time.monotonic()


def all_say(gateways: list[Alive], key: str, status: int, times: int = 8) -> bool:
    """Whether every gateway, whichever worker answers, says so."""
    return all(one.ask(key).status == status for one in gateways for _ in range(times))


def test_a_freeze_holds_on_every_worker_and_survives_a_power_cut(site: Site) -> None:
    ann, bob, admin = site.key("clinic", "Ann"), site.key("clinic", "Bob"), site.key("admin")
    gateway = site.start("--workers", "2")
    try:
        eventually(lambda: gateway.heard("worker listens") == 2)
        assert all_say([gateway], ann, 200)
        done = act(site, "freeze", token(site, "Ann"))
        eventually(lambda: time.monotonic() > done + 0.9)
        assert all_say([gateway], ann, 403)
        assert gateway.ask(ann).error == FROZEN
        assert gateway.send("GET", "/v2/models/forest", key=ann).status == 403
        assert gateway.ask(bob).status == 200
    finally:
        gateway.kill()
    with site.alive("--workers", "2") as again:
        eventually(lambda: again.heard("worker listens") == 4)
        assert all_say([again], ann, 403)
        path = f"/admin/callers/{token(site, 'Ann')}/release"
        told = again.send("POST", path, b'{"reason": "a study"}', admin, admin=True)
        assert (told.status, told.json["state"]) == (200, "free")
        done = time.monotonic()
        eventually(lambda: time.monotonic() > done + 0.9)
        assert all_say([again], ann, 200)
    code, told_of = site.here("verify", str(site.toml))
    assert (code, told_of[0]["problems"]) == (0, [])


@pytest.mark.slow
def test_a_freeze_holds_on_every_replica_of_one_postgresql(sites: Sites, server: Server) -> None:
    url = server.fresh()
    text = TOML + f'[store]\nurl = "{url}"\n'
    one, two = sites(text, "one"), sites(text, "two")
    key = one.key("clinic", "Ann", url=url)
    for name in ("secret", "signing.pem"):
        if (one.state / name).exists():
            two.state.mkdir(mode=0o700, exist_ok=True)
            (two.state / name).write_bytes((one.state / name).read_bytes())
            (two.state / name).chmod(0o600)
    with one.alive() as first, two.alive() as second:
        assert all_say([first, second], key, 200)
        done = act(one, "freeze", token(one, "Ann", url))
        eventually(lambda: time.monotonic() > done + 0.9)
        assert all_say([first, second], key, 403)
        done = act(two, "release", token(one, "Ann", url))
        eventually(lambda: time.monotonic() > done + 0.9)
        assert all_say([first, second], key, 200)

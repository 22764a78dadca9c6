"""The console of `reticent serve`, on the listener that is there for it."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from gateway.alive import Alive, Site, built, eventually, site, sites

__all__ = ["built", "site", "sites"]


def logged_in(gateway: Alive, key: str) -> str:
    """The cookie of a new session."""
    heard = gateway.send(
        "POST", "/console/login", urlencode({"key": key}).encode(), admin=True,
        headers={"Origin": gateway.admin, "Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert heard.status == 303, heard.body
    return heard.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_it_is_served_and_an_open_page_does_not_hold_the_gateway_up(
    site: Site, workers: str
) -> None:
    admin, clinic = site.key("admin"), site.key("clinic")
    with site.alive("--workers", workers) as gateway:
        assert gateway.send("GET", "/console", admin=False).status == 404  # not for callers
        assert gateway.send("GET", "/console", admin=True).status == 303
        cookie = logged_in(gateway, admin)
        for _ in range(8):
            assert gateway.ask(clinic).status == 200

        def shown() -> bool:
            page = gateway.send("GET", "/console", admin=True, headers={"Cookie": cookie}).body
            return b'<td class="n">8</td><td class="n">0</td>' in page

        eventually(shown)  # of all workers
        line = HTTPConnection("127.0.0.1", gateway.admin_port, timeout=10)
        line.request("GET", "/console/events", headers={"Cookie": cookie})
        stream = line.getresponse()
        assert stream.status == 200
        while not stream.readline().startswith(b"event: news"):
            pass
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 5
        line.close()
        assert gateway.heard("error") == gateway.heard("noticed") == 0


def test_its_hosts_are_those_of_the_project(site: Site) -> None:
    site.add('[console]\nhosts = ["console.example.org"]\n')
    with site.alive() as gateway:
        for host, status in (("console.example.org", 200), ("elsewhere.example.org", 421)):
            heard = gateway.send("GET", "/console/login", admin=True, headers={"Host": host})
            assert heard.status == status

"""A gateway in front of a server that already runs: here, another gateway."""

from __future__ import annotations

import pytest

from gateway.alive import TOML, Site, Sites, built, sites

__all__ = ["built", "sites"]


def guarding(url: str) -> str:
    """A project whose model is served elsewhere."""
    return TOML.replace('path = "forest.onnx"', f'url = "{url}"\nname = "forest"')


@pytest.fixture
def before(sites: Sites) -> Site:
    """The server that already runs."""
    return sites(name="upstream")


def test_upstream_answers_pass_through_the_same_door(before: Site, sites: Sites) -> None:
    with before.alive() as upstream:
        key = before.key("clinic")
        site = sites(guarding(upstream.url), name="front")
        site.env["RETICENT_UPSTREAM_KEY"] = key
        with site.alive() as front:
            clinic, partner = site.key("clinic"), site.key("partner")
            own, theirs = front.ask(clinic), upstream.ask(key)
            assert (own.status, own.output("scores")) == (200, theirs.output("scores"))
            told = [front.ask(partner, (44, 38.5, "Bonn", smokes)) for smokes in (0, 1, None)]
            assert len({one.body for one in told}) == 1  # the front averages, whoever answers
            assert [one["name"] for one in told[0].json["outputs"]] == ["label"]
            assert front.ask(key).status == 401  # the upstream's key opens nothing here
            assert upstream.stop() == 0
            gone = front.ask(clinic)
            assert gone.status == 502
            assert gone.error == "the server behind the gateway could not answer"
            assert front.send("GET", "/v2/health/ready").status == 200


def test_a_key_that_the_upstream_does_not_know_is_told_at_the_start(
    before: Site, sites: Sites
) -> None:
    with before.alive() as upstream:
        site = sites(guarding(upstream.url), name="front")
        site.env["RETICENT_UPSTREAM_KEY"] = "rtc_aaaaaaaaaaaa_wrong"
        told = site.run("serve", "reticent.toml", "--port", "0", "--admin-port", "0")
        assert told.returncode == 2
        assert "does not know the key" in told.stderr

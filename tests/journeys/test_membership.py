"""Membership from a project file: asked for by name, and its fits kept beside the root secret."""

from __future__ import annotations

from desk import Desk
from reticent.access.secret import root_secret


def test_membership_runs_from_a_project_file(desk: Desk) -> None:
    desk.add("[roles.partner]\noutput = 'label'\n")
    told = desk.audit("--attacks", "membership")
    found = desk.evidence().findings
    assert told.code in (0, 1), told.err
    assert {one.hidden for one in found} == {"membership"}
    assert {one.configuration for one in found} == {"bare", "partner"}
    assert {one.attack for one in found} >= {"rmia", "lira", "label_boundary", "loss_threshold"}
    assert not (desk.folder / ".reticent" / "shadows").exists(), "no secret, nothing kept"


def test_with_a_secret_the_next_audit_trains_nothing_again(desk: Desk) -> None:
    root_secret(desk.folder / ".reticent", create=True)
    desk.run("audit", "reticent.toml", "--attacks", "rmia")
    first = desk.evidence().findings
    kept = list((desk.folder / ".reticent" / "shadows").iterdir())
    assert len(kept) == 4
    before = {path: path.stat().st_mtime_ns for path in kept}
    desk.run("audit", "reticent.toml", "--attacks", "rmia")
    assert desk.evidence().findings == first
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_a_wrong_name_is_an_error(desk: Desk) -> None:
    told = desk.refused("audit", "reticent.toml", "--attacks", "membershp")
    assert "did you mean 'membership'?" in told

"""Evidence: what is within limits, and the chain from one file to the next."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from reticent.errors import ConfigError
from reticent.evidence import (
    FORMAT,
    VALID_DAYS,
    Attacker,
    Configuration,
    Evidence,
    SelfTest,
    Subjects,
    dated,
    fingerprint,
    load,
    save,
    write,
)
from reticent.finding import Rate, Risk


def evidence(
    seed: int = 0, loss: Rate | None = None, self_test: SelfTest | None = None
) -> Evidence:
    created, expires = dated()
    worth = Rate(0.8, 0.7, 0.9, 100)
    return Evidence(
        reticent_version="0", created=created, expires=expires, seed=seed,
        subjects=Subjects("m", "d", "c"), findings=(), risk=Risk(), self_test=self_test,
        attacker=Attacker(("age",), label=True),
        configurations=(Configuration("bare", "the model itself", "", worth, loss),),
    )  # fmt: skip


def test_evidence_is_dated_in_utc_and_expires() -> None:
    created, expires = map(datetime.fromisoformat, dated())
    assert created.utcoffset() == timedelta(0)
    assert expires - created == timedelta(days=VALID_DAYS)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path, written = save(evidence(), tmp_path)
    assert path == tmp_path / "evidence.json"
    assert load(path) == written
    assert written.format == FORMAT
    assert written.previous is None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == written.digest


def test_each_evidence_names_the_one_before_it_and_keeps_it(tmp_path: Path) -> None:
    chain = [save(evidence(seed), tmp_path / "deep")[1] for seed in range(3)]
    for before, after in pairwise(chain):
        assert after.previous == before.digest
        assert load(tmp_path / "deep" / "history" / f"{before.digest}.json") == before
    assert load(tmp_path / "deep" / "evidence.json") == chain[-1]


def test_a_changed_history_no_longer_has_its_name(tmp_path: Path) -> None:
    first = save(evidence(0), tmp_path)[1]
    second = save(evidence(1), tmp_path)[1]
    forged = msgspec.structs.replace(first, seed=9)
    assert forged.digest != second.previous


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "no such file"), (b"{", "cannot be read"), (b"[]", "cannot be read"),
     (b'{"format": "x"}', "cannot be read"), (b"\xff", "cannot be read")],
)  # fmt: skip
def test_a_file_that_is_no_evidence_is_refused(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "evidence.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=found):
        load(path)


@pytest.mark.parametrize(
    ("loss", "within"),
    [
        (None, True),
        (Rate(0.0, -0.01, 0.01, 100), True),
        (Rate(0.0, -0.01, 0.011, 100), False),
        (Rate.none(100, "it could not be computed"), False),
    ],
)
def test_utility_loss_has_a_limit(loss: Rate | None, within: bool) -> None:
    assert evidence(loss=loss).within_limits is within


@pytest.mark.parametrize("passed", [True, False])
def test_a_failed_self_test_is_not_within_limits(passed: bool) -> None:
    assert evidence(self_test=SelfTest(passed, ())).within_limits is passed


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "evidence.json"
    write(path, b"before")

    def fails(handle: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="full"):
        write(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_fingerprint_depends_on_every_part_and_its_place() -> None:
    digests = {fingerprint(parts) for parts in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}
    assert len(digests) == 5
    assert fingerprint(["a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()

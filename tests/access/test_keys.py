"""Keys: what is stored of one cannot be used, and what is shown cannot be guessed."""

from __future__ import annotations

import hashlib
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.access.keys import (
    DAY,
    HOUR,
    NO_ID,
    NO_SECRET,
    Hashing,
    duration,
    end,
    foreign,
    issue,
    live,
    parse,
    revoke,
    rotate,
    state,
)
from reticent.errors import ConfigError
from reticent.store import KeyRecord

SECRET, NOW = b"s" * 32, 1_800_000_000.0


def make(**more: object) -> tuple[KeyRecord, str]:
    return issue(SECRET, "partner", now=NOW, **more)  # type: ignore[arg-type]


def test_a_key_has_its_form_and_its_parts() -> None:
    for _ in range(200):  # "_" is a letter of the secret part, too
        record, text = make()
        assert re.fullmatch(r"rtc_[a-z2-7]{12}_[A-Za-z0-9_-]{43}", text)
        name, secret_part = parse(text)
        assert (name, text) == (record.id, f"rtc_{name}_{secret_part}")
        assert record.hash == Hashing(SECRET)(secret_part)


def test_no_two_are_alike() -> None:
    made = [make() for _ in range(1000)]
    assert len({record.id for record, _ in made}) == 1000
    assert len({parse(text)[1] for _, text in made}) == 1000
    first = [parse(text)[1][0] for _, text in made]
    assert len(set(first)) > 50  # of 64 letters


def test_nothing_stored_gives_the_key_away() -> None:
    record, text = make(owner="Ann")
    secret_part = parse(text)[1]
    stored = msgspec.msgpack.encode(record)
    assert secret_part.encode() not in stored
    for plain in (hashlib.blake2b, hashlib.sha256):  # without the root secret nothing matches
        assert plain(secret_part.encode()).digest()[:32] not in stored
    assert Hashing(b"t" * 32)(secret_part)[4:] != record.hash[4:]
    assert Hashing(SECRET)(secret_part[:-1] + "-")[4:] != record.hash[4:]


def test_a_key_of_another_secret_is_known_as_one() -> None:
    ours, _ = make()
    theirs, _ = issue(b"t" * 32, "partner", now=NOW)
    assert foreign(SECRET, [ours, theirs]) == [theirs]
    assert foreign(b"t" * 32, [ours, theirs]) == [ours]


@given(st.text(max_size=80) | st.from_regex(r"rtc_[a-z2-7_]{0,14}_[\w-]{0,45}"))
def test_whatever_is_no_key_parses_as_one_that_never_fits(text: str) -> None:
    name, secret_part = parse(text)
    if not re.fullmatch(r"rtc_[a-z2-7]{12}_[A-Za-z0-9_-]{43}", text):
        assert (name, secret_part) == (NO_ID, NO_SECRET)


def test_a_line_break_at_the_end_is_no_key() -> None:
    text = make()[1]
    assert parse(text + "\n")[0] == NO_ID
    assert parse(" " + text)[0] == NO_ID
    assert parse(text.upper())[0] == NO_ID
    assert parse(text[:-1] + "é")[0] == NO_ID


def test_no_key_has_the_place_of_malformed_ones() -> None:
    assert not re.fullmatch("[a-z2-7]{12}", NO_ID)
    assert re.fullmatch("[A-Za-z0-9_-]{43}", NO_SECRET)  # as long as any


def test_keys_of_one_owner_are_one_principal() -> None:
    assert make(owner="Ann")[0].principal == make(owner="Ann")[0].principal
    assert make(owner="Ann")[0].principal != make(owner="Bob")[0].principal
    assert make()[0].principal != make()[0].principal
    assert make(principal="p")[0].principal == "p"
    auditor = make(owner="Ann", auditor=True)[0]
    assert auditor.principal not in (make(owner="Ann")[0].principal, f"owner:{auditor.id}")


def test_names_of_different_kinds_never_meet() -> None:
    record, _ = make()
    assert make(owner=record.principal)[0].principal != record.principal


def test_auditors_are_short_lived() -> None:
    record, _ = make(auditor=True)
    assert (record.auditor, record.expires) == (True, NOW + DAY)
    assert make(auditor=True, expires=NOW + 7 * DAY)[0].expires == NOW + 7 * DAY
    for too_long in (NOW + 7 * DAY + 1, math.inf):
        with pytest.raises(ConfigError, match="1h to 7d"):
            make(auditor=True, expires=too_long)


@pytest.mark.parametrize("expires", [NOW, NOW - 1, 0.0, -math.inf, math.nan])
def test_nothing_is_issued_that_is_over(expires: float) -> None:
    with pytest.raises(ConfigError):
        make(expires=expires)


def test_rotation_keeps_the_principal_and_ends_the_old_one() -> None:
    old, before = make(owner="Ann", expires=NOW + 90 * DAY)
    new, text, ended = rotate(SECRET, old, now=NOW + DAY)
    assert (new.principal, new.role, new.owner, new.auditor) == (
        old.principal, old.role, "Ann", False
    )  # fmt: skip
    assert new.expires == NOW + 91 * DAY
    assert text != before
    assert new.id != old.id
    assert not live(ended, NOW + DAY)
    assert live(new, NOW + DAY)
    _, _, later = rotate(SECRET, old, grace=HOUR, now=NOW)
    assert (live(later, NOW + HOUR - 1), live(later, NOW + HOUR)) == (True, False)
    _, _, sooner = rotate(SECRET, old, grace=100 * DAY, now=NOW)
    assert sooner.expires == old.expires


def test_an_auditor_stays_one_in_rotation() -> None:
    old, _ = make(auditor=True)
    new, _, _ = rotate(SECRET, old, now=NOW + HOUR)
    assert (new.auditor, new.principal, new.expires) == (True, old.principal, NOW + HOUR + DAY)


def test_what_is_over_is_not_rotated() -> None:
    expired, _ = make(expires=NOW + 1)
    with pytest.raises(ConfigError, match="it is expired"):
        rotate(SECRET, expired, now=NOW + 1)
    with pytest.raises(ConfigError, match="it is revoked"):
        rotate(SECRET, revoke(make()[0], NOW), now=NOW)


def test_ends_are_exact() -> None:
    record, _ = make(expires=NOW + 10)
    assert (live(record, NOW + 9.999), live(record, NOW + 10)) == (True, False)
    assert end(make()[0]) == math.inf
    assert [state(one, NOW + 10) for one in (record, revoke(record, NOW), make()[0])] == [
        "expired", "revoked", "active"
    ]  # fmt: skip


def test_what_is_revoked_is_so_by_every_clock() -> None:
    record = revoke(make()[0], NOW)
    assert not live(record, NOW - 1000)  # this machine's clock is behind the one that revoked
    assert revoke(record, NOW + 5) == record


def test_lengths_of_time() -> None:
    assert [duration(text) for text in ("90d", "12h", "30m", " 1d ")] == [
        90 * DAY, 12 * HOUR, 1800, DAY
    ]  # fmt: skip
    for text in ("", "90", "d", "-1d", "0d", "1.5d", "3651d", "1w", "١d", "1d1h", "99999999999d"):
        with pytest.raises(ConfigError, match="Write 90d"):
            duration(text)

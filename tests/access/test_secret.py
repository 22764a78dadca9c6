"""The root secret and the signing key: made once, for nobody else's eyes."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reticent.access.secret import (
    MOST_BYTES,
    find_secret,
    public_key,
    public_pem,
    read_public,
    root_secret,
    signing_key,
)
from reticent.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that is not there yet."""
    monkeypatch.delenv("RETICENT_SECRET", raising=False)
    return tmp_path / ".reticent"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_once_and_privately(folder: Path) -> None:
    assert find_secret(folder) is None
    with pytest.raises(ConfigError, match="reticent keys create"):
        root_secret(folder)
    assert not folder.exists()
    secret = root_secret(folder, create=True)
    assert len(secret) == 64
    assert secret == root_secret(folder, create=True) == root_secret(folder)
    assert (mode(folder), mode(folder / "secret")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["secret"]


def test_no_umask_opens_it(folder: Path) -> None:
    before = os.umask(0)
    try:
        root_secret(folder, create=True)
        signing_key(folder, create=True)
    finally:
        os.umask(before)
    assert mode(folder / "secret") == mode(folder / "signing.pem") == 0o600


def test_two_projects_share_nothing(folder: Path, tmp_path: Path) -> None:
    assert root_secret(folder, create=True) != root_secret(tmp_path / "other", create=True)


def test_of_many_that_make_it_at_once_all_take_the_same(folder: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: root_secret(folder, create=True), range(64)))
        keys = list(pool.map(lambda _: signing_key(folder, create=True), range(16)))
    assert len(set(made)) == 1
    assert len({public_pem(key.public_key()) for key in keys}) == 1
    names = {path.name for path in folder.iterdir()}
    assert names == {"secret", "signing.pem", "signing.pub"}


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o660, 0o644, 0o620, 0o777])
def test_a_secret_that_others_may_read_is_refused(folder: Path, wide: int) -> None:
    root_secret(folder, create=True)
    (folder / "secret").chmod(wide)
    with pytest.raises(ConfigError, match=rf"mode {wide:04o}.*chmod 600 {folder / 'secret'}"):
        root_secret(folder)
    (folder / "secret").chmod(0o400)
    assert root_secret(folder)


def test_the_environment_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_SECRET", "e" * 32 + "\n")
    assert root_secret(folder, create=True) == b"e" * 32
    assert not folder.exists()
    monkeypatch.setenv("RETICENT_SECRET", "")
    assert find_secret(folder) is None


def test_the_file_gives_what_the_variable_would(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = root_secret(folder, create=True)
    monkeypatch.setenv("RETICENT_SECRET", (folder / "secret").read_text())
    assert root_secret(folder) == kept


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"x" * 31 + b"\n"])
def test_a_short_one_is_refused(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "secret").touch(0o600)
    (folder / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match="Use 32 or more"):
        root_secret(folder, create=True)


def test_what_is_no_file_is_refused_at_once(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "secret", 0o600)
    with pytest.raises(ConfigError, match="no plain file"):
        root_secret(folder)
    (folder / "secret").unlink()
    (folder / "secret").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        root_secret(folder, create=True)


def test_a_place_that_takes_no_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="RETICENT_SECRET"):
        root_secret(tmp_path / "file", create=True)


def test_a_signing_key_signs_for_its_public_half(folder: Path) -> None:
    with pytest.raises(ConfigError, match="reticent serve"):
        signing_key(folder)
    with pytest.raises(ConfigError, match="--key PUB"):
        public_key(folder)
    key = signing_key(folder, create=True)
    public_key(folder).verify(key.sign(b"text"), b"text")
    with pytest.raises(InvalidSignature):
        public_key(folder).verify(key.sign(b"text"), b"other text")
    assert public_pem(signing_key(folder).public_key()) == (folder / "signing.pub").read_bytes()


def test_the_public_half_is_enough_to_verify_and_can_be_made_again(folder: Path) -> None:
    pub = public_pem(signing_key(folder, create=True).public_key())
    (folder / "signing.pub").unlink()
    assert public_pem(public_key(folder)) == pub
    signing_key(folder)
    assert (folder / "signing.pub").read_bytes() == pub
    (folder / "signing.pem").unlink()
    assert public_pem(public_key(folder)) == pub


def test_halves_that_do_not_belong_together_are_told(folder: Path, tmp_path: Path) -> None:
    signing_key(folder, create=True)
    other = signing_key(tmp_path / "other", create=True)
    (folder / "signing.pub").write_bytes(public_pem(other.public_key()))
    with pytest.raises(ConfigError, match="not the public half"):
        public_key(folder)


def test_a_signing_key_that_others_may_read_is_refused(folder: Path) -> None:
    signing_key(folder, create=True)
    (folder / "signing.pem").chmod(0o640)
    for read in (signing_key, public_key):
        with pytest.raises(ConfigError, match="chmod 600"):
            read(folder)


def test_what_is_no_ed25519_key_is_refused(folder: Path) -> None:
    folder.mkdir()
    path = folder / "signing.pem"
    path.touch(0o600)
    pkcs8, plain = PrivateFormat.PKCS8, NoEncryption()
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, pkcs8, plain)
    for content in (b"", b"x" * MOST_BYTES, b"-----BEGIN PRIVATE KEY-----", curve):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="no Ed25519 key"):
            signing_key(folder, create=True)
        with pytest.raises(ConfigError, match="no Ed25519 key"):
            read_public(content, path)

"""The two secrets of a project: the root secret that keys everything, and the signing key.

Both live in the state folder with mode 0600, which is checked whenever they are read. From the
root secret the subkeys ``keys``, ``principals``, ``sketches`` and ``noise`` are derived
(``randomness.subkey``); replicas on several machines share it through RETICENT_SECRET.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.errors import ConfigError
from reticent.randomness import SECRET_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

VARIABLE = "RETICENT_SECRET"
MOST_BYTES = 4096  # of a file that holds a secret


def root_secret(folder: Path, create: bool = False) -> bytes:
    """Return the root secret: RETICENT_SECRET, else the file ``secret`` of the state folder.

    Parameters
    ----------
    folder : the state folder, ``.reticent`` beside the project file.
    create : whether to make one where there is none.

    Returns
    -------
    At least 32 bytes, without the white space around them.

    Raises
    ------
    ConfigError : there is none, it is too short, or others may read its file.
    """
    found = find_secret(folder)
    if found is None and create:
        _write_once(folder / "secret", os.urandom(SECRET_BYTES).hex().encode() + b"\n", 0o600)
        found = find_secret(folder)  # of two that create it at once, both take the first one's
    if found is None:
        raise ConfigError(
            "the root secret", f"there is no {folder / 'secret'}, and {VARIABLE} is not set",
            "Make it with the first key: reticent keys create reticent.toml --role R",
        )  # fmt: skip
    return found


def find_secret(folder: Path) -> bytes | None:
    """Return the root secret, or None where there is none.

    Raises
    ------
    ConfigError : it is too short, or others may read its file.
    """
    given = os.environ.get(VARIABLE)
    secret = os.fsencode(given) if given else _read_private(folder / "secret", "the root secret")
    if secret is None:
        return None
    secret = secret.strip()
    if len(secret) < SECRET_BYTES:
        raise ConfigError(
            "the root secret", f"it has {len(secret)} bytes", f"Use {SECRET_BYTES} or more"
        )
    return secret


def signing_key(folder: Path, create: bool = False) -> Ed25519PrivateKey:
    """Return the key that signs: ``signing.pem``; its public half is kept as ``signing.pub``.

    Raises
    ------
    ConfigError : there is none, it is no Ed25519 key, or others may read its file.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path, asked = folder / "signing.pem", "the signing key"
    pem = _read_private(path, asked)
    if pem is None and create:
        made = Ed25519PrivateKey.generate()
        pkcs8, plain = form.PrivateFormat.PKCS8, form.NoEncryption()
        _write_once(path, made.private_bytes(form.Encoding.PEM, pkcs8, plain), 0o600)
        pem = _read_private(path, asked)
    if pem is None:
        raise ConfigError(asked, f"there is no {path}", "It is made by: reticent serve")
    key = None
    with suppress(ValueError, TypeError):  # not PEM, or under a password
        key = form.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            asked, f"{path} holds no Ed25519 key in PEM", "Restore it from where it was saved"
        )
    if not (folder / "signing.pub").exists():
        with suppress(ConfigError):  # a folder that is mounted to be read only: it can be derived
            _write_once(folder / "signing.pub", public_pem(key.public_key()), 0o644)
    return key


def public_key(folder: Path) -> Ed25519PublicKey:
    """Return the project's public key, ``signing.pub``, against which signatures are verified.

    Raises
    ------
    ConfigError : there is none, it is no Ed25519 key, or it is not that of ``signing.pem``.
    """
    asked, path = "the project's public key", folder / "signing.pub"
    own = signing_key(folder).public_key() if (folder / "signing.pem").exists() else None
    try:
        with path.open("rb") as file:
            kept = read_public(file.read(MOST_BYTES), path)
    except FileNotFoundError:
        if own is None:
            raise ConfigError(asked, f"there is no {path}", "Give it with --key PUB") from None
        return own
    if own is not None and public_pem(own) != public_pem(kept):
        raise ConfigError(
            asked, f"{path} is not the public half of signing.pem", "Restore the one that changed"
        )
    return kept


def read_public(pem: bytes, path: Path) -> Ed25519PublicKey:
    """Read an Ed25519 public key in PEM.

    Raises
    ------
    ConfigError : it is none; ``path`` is named.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = None
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(
            f"the public key {path}", "it is no Ed25519 key in PEM", "Give the file signing.pub"
        )
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Write a public key as PEM."""
    from cryptography.hazmat.primitives import serialization as form

    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def _read_private(path: Path, asked: str) -> bytes | None:
    """Read a file that nobody else may read; None where there is none."""
    try:
        # without waiting, where a pipe would wait for somebody to write
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(asked, f"{path} is no plain file", "Put the secret itself there")
            if mode & 0o077:
                raise ConfigError(
                    asked, f"others may read or write it (mode {stat.S_IMODE(mode):04o})",
                    f"Run: chmod 600 {path}",
                )  # fmt: skip
            return file.read(MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        found = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(asked, found, "Check whose file it is") from None


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole, or leave the one that is already there."""
    part = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
        _settle(path.parent)
    except OSError as error:
        raise ConfigError(
            f"writing {path}", error.strerror or type(error).__name__,
            f"Check who may write there; the root secret can be given as {VARIABLE}",
        ) from None  # fmt: skip
    finally:
        with suppress(OSError):
            part.unlink()


def _settle(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""``reticent verify``: was anything taken out of the journal or the evidence, or put in?"""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from reticent.access.secret import public_key, read_public
from reticent.cli.project import STATE, load_project
from reticent.cli.shown import common
from reticent.errors import ConfigError, DataError, StoreError
from reticent.evidence import load
from reticent.gateway.journal import fingerprint, read_checkpoint, verify
from reticent.stores.opened import open_store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was verified.

    Attributes
    ----------
    holds : in one sentence each, what is proven. problems : what is not as it should be.
    """

    path: str
    verified: bool
    holds: tuple[str, ...]
    problems: tuple[str, ...]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), metavar="PUB",
              help="The public key to pin; default: the project's own signing.pub.")  # fmt: skip
@click.option("--checkpoint", "checkpoints", type=click.Path(path_type=Path), multiple=True,
              metavar="FILE", help="A checkpoint that was exported to another machine; several "
              "may be given.")  # fmt: skip
@common
def command(
    path: Path, key: Path | None, checkpoints: tuple[Path, ...], as_json: bool, quiet: bool
) -> int:
    """Verify PATH: a reticent.toml (its journal of queries), an evidence.json or a checkpoint.

    A journal is a hash chain, and signed checkpoints say how long it was: give those that you
    keep elsewhere. What came after the last one is told as unproven. Exit status 1 means that
    something does not hold.
    """
    if not path.exists():
        raise ConfigError(f"verifying {path}", "there is no such file", "Name a reticent.toml, "
                          "an evidence.json or a checkpoint")  # fmt: skip
    if path.suffix == ".toml":
        told = _journal(path, key, checkpoints)
    elif checkpoints:
        raise ConfigError(
            "--checkpoint", f"{path} is no project", "Checkpoints belong to a reticent.toml"
        )
    else:
        told = _file(path, key)
    if as_json:
        click.echo(msgspec.json.encode(told).decode())
    elif not quiet:
        for line in told.holds:
            click.echo(f"holds    {line}")
        for line in told.problems:
            click.echo(f"PROBLEM  {line}")
        click.echo("\nVerified." if told.verified else "\nNOT verified.")
    return 0 if told.verified else 1


def _journal(path: Path, key: Path | None, checkpoints: tuple[Path, ...]) -> Told:
    project = load_project(path)
    pinned = _pinned(key, project.state)
    given = [_content(one) for one in checkpoints]
    with closing(open_store(project.tables.store.url, project.state)) as store:
        head, signed = store.head(), [*store.checkpoints(), *given]
        try:
            found = verify(store.blocks(), head, signed, pinned)
        except StoreError as error:  # it was there a moment ago: what it holds is at fault
            return Told(str(path), False, (), (f"{error.asked}: {error.found}",))
    holds = [
        f"{found.entries} entries in one unbroken chain, {found.erased} of them erased by policy"
    ] if not found.problems else []  # fmt: skip
    holds.append(
        f"{found.checkpoints} checkpoints are signed by {fingerprint(pinned)}; the first "
        f"{found.proven} entries are proven by them"
    )
    if found.unproven:
        holds.append(
            f"the last {found.unproven} entries are unproven: whoever holds the store could cut "
            "them off unseen. The next checkpoint covers them"
        )
    return Told(str(path), not found.problems, tuple(holds), found.problems)


def _file(path: Path, key: Path | None) -> Told:
    content = _content(path)
    try:
        one = read_checkpoint(content)
    except DataError:
        return _evidence(path, content)
    pinned = _pinned(key, path.parent / STATE)
    own = fingerprint(pinned)
    if one.key != own:
        problem = f"it is signed by another key: {one.key}, not {own}"
    elif not one.signed_by(pinned):
        problem = "its signature is false"
    else:
        says = f"{one.count} entries ended in {one.head} at {one.at}, signed by {own}"
        return Told(str(path), True, (says,), ())
    return Told(str(path), False, (), (problem,))


def _evidence(path: Path, content: bytes) -> Told:
    """Walk from an evidence file to all that came before it."""
    evidence = load(path)
    holds: list[str] = []
    problems: list[str] = []
    steps, previous = 0, evidence.previous
    while previous is not None and not problems:
        before = path.parent / "history" / f"{previous}.json"
        if not re.fullmatch("[0-9a-f]{64}", previous):
            problems.append("its chain names something that is no hash")
        elif not before.is_file():
            problems.append(f"the evidence {previous[:12]}… that it follows is gone")
        elif hashlib.sha256(_content(before)).hexdigest() != previous:
            problems.append(f"the evidence {previous[:12]}… that it follows was changed")
        else:
            steps, previous = steps + 1, load(before).previous
    holds.append(f"its SHA-256 is {hashlib.sha256(content).hexdigest()}")
    if not problems:
        holds.append(f"{steps} earlier audits stand unchanged behind it")
    if evidence.signature is None:
        holds.append("it is not signed: whoever can write it can replace it")
    return Told(str(path), not problems, tuple(holds), tuple(problems))


def _pinned(key: Path | None, state: Path) -> Ed25519PublicKey:
    return public_key(state) if key is None else read_public(_content(key), key)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"reading {path}", error.strerror or type(error).__name__, "Check the path"
        ) from None

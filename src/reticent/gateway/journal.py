"""What is kept of every query, and how anybody can check that none was taken away.

Entries stand in a hash chain (``store.py``). A checkpoint is a signed statement of how long the
chain was and where it ended: exported to another machine it proves that everything before it is
still there. What came after the last checkpoint, whoever holds the store could cut off; that tail
is called unproven. Checkpoints are signed by Ed25519 (RFC 8032).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from reticent.errors import DataError
from reticent.event import Act, Erasure, QueryEvent
from reticent.store import GENESIS, Block, Erased, Head, linked

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

FORMAT = "reticent-checkpoint/1"
entry = msgspec.msgpack.Encoder().encode  #: an event to a journal entry
read = msgspec.msgpack.Decoder(QueryEvent | Erasure | Act).decode  #: and back


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement: the first ``count`` entries end in ``head``.

    Attributes
    ----------
    head : SHA-256, hex. at : ISO 8601. key : fingerprint of the signer. signature : base64, of the
    statement's JSON with an empty signature.
    """

    format: str = FORMAT
    count: int
    head: str
    at: str
    key: str
    signature: str = ""

    @property
    def unsigned(self) -> bytes:
        """What is signed."""
        return msgspec.json.encode(msgspec.structs.replace(self, signature=""))

    def signed_by(self, public: Ed25519PublicKey) -> bool:
        """Say whether this key signed exactly this."""
        from cryptography.exceptions import InvalidSignature

        try:
            public.verify(base64.b64decode(self.signature), self.unsigned)
        except (InvalidSignature, ValueError):
            return False
        return True


def checkpoint(head: Head, key: Ed25519PrivateKey, at: float) -> bytes:
    """Sign the end of a chain: the statement as JSON."""
    says = Checkpoint(
        count=head.count, head=head.hash.hex(), at=datetime.fromtimestamp(at, UTC).isoformat(),
        key=fingerprint(key.public_key()),
    )  # fmt: skip
    signature = base64.b64encode(key.sign(says.unsigned)).decode()
    return msgspec.json.encode(msgspec.structs.replace(says, signature=signature))


def read_checkpoint(content: bytes) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    DataError : it is none.
    """
    try:
        found = msgspec.json.decode(content, type=Checkpoint)
    except msgspec.DecodeError:
        found = None
    if found is None or found.format != FORMAT:
        raise DataError("a checkpoint", "this is none", "Export one: GET /admin/checkpoint")
    return found


def fingerprint(public: Ed25519PublicKey) -> str:
    """Name a public key: the first 16 bytes of the SHA-256 of its raw form, in hex."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:32]


class Verified(msgspec.Struct, frozen=True):
    """What was found of a journal.

    Attributes
    ----------
    entries, erased : how many there are, and how many of them were erased by policy.
    proven : entries covered by the last checkpoint that the pinned key signed.
    problems : what does not hold, in words; none means that it verifies.
    """

    entries: int
    erased: int
    proven: int
    checkpoints: int
    problems: tuple[str, ...]

    @property
    def unproven(self) -> int:
        """Entries at the end that nobody vouches for."""
        return self.entries - self.proven


def verify(
    blocks: Iterable[Block], head: Head, checkpoints: Sequence[bytes], pinned: Ed25519PublicKey
) -> Verified:
    """Walk the chain and hold it against the checkpoints.

    Parameters
    ----------
    head : what the store says is the end. checkpoints : its own, and exported ones. pinned : the
        key that the checkpoints must be signed by.
    """
    problems: list[str] = []
    signed = _signed(checkpoints, pinned, problems)
    waiting = sorted({one.count for one in signed})
    at, count, erased, passed = GENESIS, 0, 0, {0: GENESIS.hex()}
    for block in blocks:
        if block.first != count:
            problems.append(f"entries {count} to {block.first - 1} are missing")
            break
        for one in block.entries:
            at, count = linked(at, [one]), count + 1
            erased += isinstance(one, Erased)
            if waiting and count == waiting[0]:
                passed[waiting.pop(0)] = at.hex()
        if at != block.head:
            problems.append(f"the chain breaks between entries {block.first} and {count - 1}")
            break
    if not problems and (count, at) != (head.count, head.hash):
        problems.append(f"the journal ends at entry {count}, the store says {head.count}")
    proven = 0
    for says in signed:
        if says.count > count:
            problems.append(f"{says.count - count} entries that a checkpoint signed are gone")
        elif passed.get(says.count) != says.head:
            problems.append(f"entries before {says.count} are not those that a checkpoint signed")
        else:
            proven = max(proven, says.count)
    return Verified(count, erased, proven, len(signed), tuple(dict.fromkeys(problems)))


def _signed(
    checkpoints: Sequence[bytes], pinned: Ed25519PublicKey, problems: list[str]
) -> list[Checkpoint]:
    """The checkpoints that the pinned key signed; the others are called by name."""
    kept, own = [], fingerprint(pinned)
    for content in checkpoints:
        one = read_checkpoint(content)
        if one.key != own:
            problems.append(f"a checkpoint is signed by another key: {one.key}, not {own}")
        elif not one.signed_by(pinned):
            problems.append(f"a checkpoint of {one.count} entries bears a false signature")
        else:
            kept.append(one)
    return kept

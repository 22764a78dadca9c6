"""An endpoint that costs: what is asked of it is capped, counted, kept and recorded.

Answers are kept as they come, in memory and in a file, by a keyed hash of the row: no row is asked
twice, and where an attack breaks off, the next one asks only what is missing. No cell of a row is
written.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset, row_tokens
from reticent.errors import ModelError
from reticent.target import Answer, Reveals, Target
from reticent.targets.local import batches
from reticent.targets.remote import Remote
from reticent.targets.wrap import Around

KEY_BYTES = 16  # of a row's hash, and of the one that ends a block
VALID_DAYS = 7.0  # kept answers of an older attack are of another model, perhaps
FEW = 64  # rows that there is room for at first
PARTS = ("label", "scores", "value", "vector", "answered")


class BrokenError(ModelError):
    """An endpoint stopped in the middle: it died, answered nonsense, or the cap is reached."""


class _Block(msgspec.Struct, array_like=True):
    """The answers to one request, as they are kept: keys, when, part to (type, shape, bytes)."""

    keys: bytes
    at: float
    parts: dict[str, tuple[str, list[int], bytes]]


class Memory:
    """The answers of one endpoint, by row.

    Parameters
    ----------
    key : of the rows' hashes, at most 64 bytes. path : the file beside, or None.

    Attributes
    ----------
    found : how many were in the file. begun : when the first of those was answered.
    """

    def __init__(self, key: bytes, path: Path | None = None) -> None:
        self._key, self._path = key, path
        self._places: dict[bytes, int] = {}
        self._parts: dict[str, NDArray[Any]] = {}
        self.found, self.begun = 0, 0.0
        if path is not None and path.is_file():
            self._read(path)
        self.found = len(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def keys(self, rows: Dataset) -> list[bytes]:
        """The keyed hash of each of n rows."""
        return [hashlib.blake2b(row, key=self._key, digest_size=KEY_BYTES).digest()
                for row in row_tokens(rows)]  # fmt: skip

    def missing(self, keys: Sequence[bytes]) -> NDArray[np.intp]:
        """The positions of those of n keys that are not known, each key once."""
        first: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in self._places:
                first.setdefault(key, place)
        return np.fromiter(first.values(), np.intp, len(first))

    def take(self, keys: Sequence[bytes]) -> Answer:
        """The answers to n rows that are known."""
        at = np.fromiter((self._places[key] for key in keys), np.intp, len(keys))
        return Answer(**{name: part[at] for name, part in self._parts.items()})

    def add(self, keys: Sequence[bytes], told: Answer) -> None:
        """Keep the answers to n rows that were not known, also in the file."""
        parts = {name: part for name in PARTS if (part := getattr(told, name)) is not None}
        self._hold(keys, parts)
        if self._path is not None:
            self._write(self._path, keys, parts)

    def forget(self) -> None:
        """Remove the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _hold(self, keys: Sequence[bytes], parts: dict[str, NDArray[Any]]) -> None:
        start, end = len(self._places), len(self._places) + len(keys)
        for name, part in parts.items():
            room = self._parts.get(name)
            if room is None or len(room) < end:
                wider = np.empty((max(2 * end, FEW), *part.shape[1:]), part.dtype)
                if room is not None:
                    wider[:start] = room[:start]
                self._parts[name] = room = wider
            room[start:end] = part
        self._places.update(zip(keys, range(start, end), strict=True))

    def _write(self, path: Path, keys: Sequence[bytes], parts: dict[str, NDArray[Any]]) -> None:
        laid = {name: (part.dtype.str, list(part.shape), np.ascontiguousarray(part).tobytes())
                for name, part in parts.items()}  # fmt: skip
        block = msgspec.msgpack.encode(_Block(b"".join(keys), time.time(), laid))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(len(block).to_bytes(4, "little") + self._sealed(block) + block)

    def _read(self, path: Path) -> None:
        """Read the file up to where it was cut off, or was written by somebody else."""
        raw, at = path.read_bytes(), 0
        decode = msgspec.msgpack.Decoder(_Block).decode
        while at + 4 + KEY_BYTES <= len(raw):
            start = at + 4 + KEY_BYTES
            end = start + int.from_bytes(raw[at : at + 4], "little")
            body = raw[start:end]
            if end > len(raw) or self._sealed(body) != raw[at + 4 : start]:
                break
            block = decode(body)
            self.begun = self.begun or block.at
            if time.time() - self.begun > VALID_DAYS * 86_400:
                break
            parts = {name: np.frombuffer(data, kind).reshape(shape)
                     for name, (kind, shape, data) in block.parts.items()}  # fmt: skip
            self._hold(_cut(block.keys), parts)
            at = end
        if at < len(raw):
            os.truncate(path, at)
        if not at:
            self.begun = 0.0

    def _sealed(self, block: bytes) -> bytes:
        return hashlib.blake2b(block, key=self._key, digest_size=KEY_BYTES, person=b"a").digest()


@dataclass(slots=True)
class Book:
    """What an audit asks of endpoints, and what it may still ask.

    Attributes
    ----------
    key : of the rows' hashes. folder : where answers are kept; None: in memory alone.
    cap : rows that may be asked, at most. record : told of each exchange, where somebody listens.
    columns : of the model, as a record has them.
    asked, requests : rows and requests so far. broken : how it broke off.
    """

    key: bytes
    folder: Path | None = None
    cap: int | None = None
    record: Callable[[Target, Dataset, Answer], None] | None = None
    columns: Sequence[str] = ()
    asked: int = 0
    requests: int = 0
    broken: BrokenError | None = None
    memories: dict[str, Memory] = field(default_factory=dict)

    def memory(self, name: str) -> Memory:
        """The answers of the endpoint of that name: the same as the same key opens them again."""
        seen = hashlib.blake2b(name.encode(), key=self.key, digest_size=KEY_BYTES).hexdigest()
        if seen not in self.memories:
            path = None if self.folder is None else self.folder / f"{seen}.bin"
            self.memories[seen] = Memory(self.key, path)
        return self.memories[seen]

    @property
    def found(self) -> int:
        """Answers that were kept when an earlier attack broke off."""
        return sum(one.found for one in self.memories.values())

    @property
    def held(self) -> int:
        """Answers that are known now."""
        return sum(map(len, self.memories.values()))

    def break_off(self, error: ModelError) -> BrokenError:
        """Write down how it broke off; nothing more is asked."""
        kept = self.folder is not None and self.held
        do = f"{error.do}. {self.held} answers are kept: the same command asks only the rest"
        self.broken = BrokenError(error.asked, error.found, do if kept else error.do)
        return self.broken

    def close(self) -> None:
        """Forget the answers, unless it broke off."""
        if self.broken is None:
            for memory in self.memories.values():
                memory.forget()


class Imitated(Around):
    """What answers in an endpoint's place where nothing is to be asked: the same to every row."""

    __slots__ = ("batch",)

    def __init__(self, inner: Remote) -> None:
        self.inner, self.batch = inner, inner.batch

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows alike."""
        n, told = len(rows), self.reveals
        if not told & ~Reveals.ANY_ROW:
            return Answer(answered=np.zeros(n, dtype=bool))
        vector = np.zeros((n, 1)) if told & Reveals.VECTOR else None
        answered = np.ones(n, dtype=bool) if told & Reveals.ABSTAIN else None
        if self.classes is None:
            return Answer(None, None, np.zeros(n), vector, answered)
        k = len(self.classes)
        scores = np.full((n, k), 1 / k) if told & Reveals.TOP_K else None
        return Answer(np.zeros(n, np.intp), scores, None, vector, answered)

    def each(self, rows: Dataset) -> Iterator[Answer]:
        """Answer n rows in parts as large as the endpoint's requests."""
        for some in batches(rows, self.batch):
            yield self.ask(some)


class Kept(Around):
    """A target that is asked each row once, against a cap; what it answered is kept.

    Parameters
    ----------
    name : of the endpoint and of who asks, for a later attack to find the answers again.
    """

    __slots__ = ("book", "memory")
    inner: Remote

    def __init__(self, inner: Remote, book: Book, name: str) -> None:
        self.inner, self.book, self.memory = inner, book, book.memory(name)

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows; those that were answered before are not asked again.

        Raises
        ------
        BrokenError : the endpoint failed, or the cap is reached; what it answered is kept.
        """
        if not len(rows) or not self.reveals & ~Reveals.ANY_ROW:
            return self.inner.ask(rows)
        rows = rows.select(self.columns)
        keys = self.memory.keys(rows)
        missing = self.memory.missing(keys)
        if len(missing):
            self._fetch(rows.take(missing), [keys[place] for place in missing])
        return self.memory.take(keys)

    def _fetch(self, rows: Dataset, keys: list[bytes]) -> None:
        book = self.book
        if book.broken is not None:
            raise book.broken
        left = len(rows) if book.cap is None else max(book.cap - book.asked, 0)
        try:
            for some, told, whose in self._told(rows.take(slice(0, left)), keys):
                book.asked += len(some)
                book.requests += 1
                self.memory.add(whose, told)
                if book.record is not None:
                    book.record(self.inner, some, told)
        except ModelError as error:
            raise book.break_off(error) from None
        if left < len(rows):
            raise book.break_off(ModelError(
                f"{len(rows) - left} more rows", f"the cap of {book.cap} rows is reached",
                "Raise it with --max-queries, or name fewer attacks with --attacks",
            ))  # fmt: skip

    def _told(
        self, rows: Dataset, keys: list[bytes]
    ) -> Iterator[tuple[Dataset, Answer, list[bytes]]]:
        """Yield each part of the rows with its answers and keys."""
        start = 0
        for told in self.inner.each(rows) if len(rows) else ():
            end = start + len(told)
            yield rows.take(slice(start, end)), told, keys[start:end]
            start = end


def _cut(keys: bytes) -> list[bytes]:
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]

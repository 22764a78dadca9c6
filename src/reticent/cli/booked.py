"""What an audit asks of an endpoint: its cap, its price, its trace, and where answers are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from reticent.access.secret import find_secret
from reticent.cli.endpoint import Endpoint
from reticent.cli.project import Project
from reticent.dataset import Dataset, stack
from reticent.errors import ConfigError, ReticentError
from reticent.evidence import Evidence, NotRun
from reticent.monitor.trace import Session, write_trace
from reticent.randomness import SECRET_BYTES, subkey
from reticent.target import Answer, Target
from reticent.targets.kept import Book

ANSWERS, KEY = "answers", "key"  # below the state folder
CALLER = "audit"  # who asks, in a trace


@dataclass(frozen=True, slots=True)
class Spending:
    """What the command line says about an endpoint's queries.

    Attributes
    ----------
    cap : rows, at most. trace : where they are recorded. dry : ask nothing, and tell the price.
    """

    cap: int | None = None
    trace: Path | None = None
    dry: bool = False

    def check(self, far: bool) -> None:
        """Check the words before any work.

        Parameters
        ----------
        far : whether there is an endpoint.

        Raises
        ------
        ConfigError : there is nothing to cap, price or record, or a trace of no known kind.
        """
        wanted = {"--max-queries": self.cap, "--trace": self.trace, "--dry-run": self.dry}
        for option, given in wanted.items():
            if given and not far:
                raise ConfigError(
                    option, "nothing is asked of an endpoint",
                    "Name one with --url, or by url in [model]",
                )  # fmt: skip
        if self.trace is not None and self.trace.suffix not in (".csv", ".parquet"):
            raise ConfigError(f"--trace {self.trace}", "its kind is not known",
                              "Name a .csv or .parquet file")  # fmt: skip


@dataclass(slots=True)
class Trail:
    """Every exchange with endpoints, in order, for a detector to be shown."""

    parts: dict[int, list[tuple[float, Target, Dataset, Answer]]] = field(default_factory=dict)

    def __call__(self, target: Target, rows: Dataset, told: Answer) -> None:
        """Record one exchange."""
        self.parts.setdefault(id(target), []).append((time.time(), target, rows, told))

    def save(self, path: Path, columns: Sequence[str]) -> None:
        """Write a trace; a column that was not sent is empty.

        Raises
        ------
        DataError, OSError : it cannot be written.
        """
        sessions = [_session(f"{CALLER}{place or ''}", parts, columns)
                    for place, parts in enumerate(self.parts.values())]  # fmt: skip
        if sessions:
            write_trace(path, sessions)


def _session(
    caller: str, parts: list[tuple[float, Target, Dataset, Answer]], columns: Sequence[str]
) -> Session:
    sent = stack(*(rows for _, _, rows, _ in parts))
    gap = np.full(len(sent), None, dtype=object)
    cells = {name: sent[name] if name in sent.columns else gap for name in columns}
    return Session(
        caller, Dataset(cells),
        at=np.concatenate([np.full(len(rows), at) for at, _, rows, _ in parts]),
        answered=_joined([_answered(told, len(rows)) for _, _, rows, told in parts]),
        label=_joined([_label(target, told) for _, target, _, told in parts]),
        confidence=_joined([_confidence(told) for _, _, _, told in parts]),
    )  # fmt: skip


def _joined(parts: list[Any]) -> Any:
    return None if any(part is None for part in parts) else np.concatenate(parts)


def _answered(told: Answer, n: int) -> Any:
    return np.ones(n, dtype=bool) if told.answered is None else told.answered


def _label(target: Target, told: Answer) -> Any:
    if target.classes is None or told.label is None:
        return told.value
    names = np.array([*target.classes.tolist(), None], dtype=object)
    return names[told.label]


def _confidence(told: Answer) -> Any:
    return None if told.scores is None else told.scores.max(axis=1)


@contextmanager
def booked(
    project: Project, url: str | None, key: str | None, spending: Spending
) -> Iterator[Endpoint | None]:
    """Open the book of the endpoint that is audited; in the end forget what is not needed.

    Answers stay where an attack broke off, or was killed: the next one begins there.

    Parameters
    ----------
    url : where the model is served; by default [model].url, where there is no file of it.

    Yields
    ------
    The endpoint, or None where nothing far away is asked.
    """
    model = project.tables.model
    own = model.url if model.path is None and model.answers is None else None
    address = url or own
    spending.check(address is not None)
    if address is None:
        yield None
        return
    trail = None if spending.trace is None else Trail()
    new = os.urandom(SECRET_BYTES)
    folder, secret = (None, new) if spending.dry else _opened(project.state, new)
    book = Book(secret, folder, None if spending.dry else spending.cap, trail)
    try:
        yield Endpoint(address, key, book, spending.dry)
        book.close()
    except ReticentError:
        if not book.found:  # refused: there is nothing to go on from
            book.close()
        raise
    finally:
        _tidied(folder)
        if trail is not None and spending.trace is not None and not spending.dry:
            trail.save(spending.trace, book.columns)


def _opened(state: Path, new: bytes) -> tuple[Path | None, bytes]:
    """The folder where answers are kept and the key of their rows; None: it cannot be written.

    Parameters
    ----------
    new : the key, where there is none yet.
    """
    folder = state / ANSWERS
    secret = find_secret(state)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if secret is not None:
            return folder, subkey(secret, ANSWERS)
        with suppress(FileExistsError):
            handle = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(new)
        key = (folder / KEY).read_bytes()
        if len(key) == SECRET_BYTES:
            return folder, key
    except OSError:
        pass
    return None, new


def _tidied(folder: Path | None) -> None:
    """Leave no empty folder, and no key without a lock."""
    if folder is None or any(folder.glob("*.bin")):
        return
    with suppress(OSError):
        (folder / KEY).unlink(missing_ok=True)
        folder.rmdir()
        folder.parent.rmdir()  # only where it is empty


# Telling --------------------------------------------------------------------------------------


class Forecast(msgspec.Struct, frozen=True):
    """What an audit would ask of an endpoint, and at what price."""

    rows: int
    requests: int
    price: float | None
    cost: float | None


def forecast(book: Book, price: float | None) -> Forecast:
    """Tell what was asked of something that answered in the endpoint's place."""
    cost = None if price is None else round(book.asked * price, 6)
    return Forecast(book.asked, book.requests, price, cost)


def in_words(told: Forecast) -> str:
    """Say it in a line."""
    said = f"This audit would ask {told.rows:,} rows in {told.requests:,} requests"
    return said + (f"; at {told.price:g} a row: {told.cost:,.2f}." if told.cost is not None else
                   ". Write the price of a row as price in [model].")  # fmt: skip


def tell_forecast(told: Forecast, cap: int | None, as_json: bool) -> int:
    """Print a forecast and return the exit status: 1 where it is above the cap."""
    click.echo(msgspec.json.encode(told).decode() if as_json else in_words(told))
    return int(cap is not None and told.rows > cap)


def accounted(evidence: Evidence, book: Book, price: float | None) -> Evidence:
    """Say in the evidence what was asked, and, where it broke off, that it is not complete.

    Raises
    ------
    BrokenError : it broke off before any attack came to an end.
    """
    notes = []
    if book.broken is not None and not any(
        one.advantage.value is not None for one in evidence.findings
    ):
        raise book.broken
    if book.broken is not None:
        notes.append(f"NOT COMPLETE: {book.broken.found}. What was not finished says so.")
    cost = "" if price is None else f", at {price:g} a row: {book.asked * price:,.2f}"
    notes.append(f"The endpoint was asked {book.asked:,} rows in {book.requests:,} requests{cost}.")
    if book.found:
        begun = min(one.begun for one in book.memories.values() if one.found)
        when = f"{datetime.fromtimestamp(begun, UTC):%Y-%m-%d %H:%M}"
        notes.append(
            f"{book.found:,} answers are those of an audit that broke off, begun {when} UTC."
        )
    not_run = evidence.not_run
    if book.broken is not None:
        not_run += (NotRun("the rest", f"not finished: {book.broken.found}"),)
    return msgspec.structs.replace(evidence, notes=(*notes, *evidence.notes), not_run=not_run)

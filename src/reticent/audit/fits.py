"""Training many models: what was trained once is kept, and the rest is handed to a backend.

A fit is named by its content: the rows, the estimator and its parameters, the seed and the
versions of the software. In memory a ``Fits`` lasts as long as whoever holds it. On disk fitted
models are pickles, which run code when they are read: each carries a keyed MAC, and one whose MAC
is not ours is never opened.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from reticent import __version__
from reticent.audit.train import Trainer
from reticent.dataset import Dataset
from reticent.errors import ModelError, ReticentError

Job = tuple[Dataset, int]  # the rows, and the seed

KEPT = 64  # models in memory
MOST_BYTES = 2 << 30  # on disk; the oldest make room
MOST_SECONDS = 7 * 86_400  # on disk: a fitted model is personal data, too
MAC_BYTES = 32
TRIES = 3  # times that a fit is begun before a backend that loses it is given up


class Fits:
    """Fitted models by what they were fitted from.

    Parameters
    ----------
    folder : where they are also kept on disk; None keeps them in memory only.
    key : 32 bytes that only this project holds; without it nothing is read from or put on disk.
    """

    def __init__(self, folder: Path | None = None, key: bytes | None = None) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._folder, self._key = folder if key else None, key or b""

    def __repr__(self) -> str:
        return "Fits()" if self._folder is None else f"Fits({str(self._folder)!r})"

    def get(self, name: Hashable) -> Any | None:
        """The model of that name, or None."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        found = self._read(name) if isinstance(name, str) else None
        if found is not None:
            self._keep(name, found)
        return found

    def put(self, name: Hashable, model: Any) -> None:
        """Keep a model."""
        self._keep(name, model)
        if isinstance(name, str) and self._folder is not None:
            self._write(name, model)

    def _keep(self, name: Hashable, model: Any) -> None:
        self._kept[name] = model
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _read(self, name: str) -> Any | None:
        if self._folder is None:
            return None
        try:
            held = (self._folder / f"{name}.fit").read_bytes()
        except OSError:
            return None
        mac, body = held[:MAC_BYTES], held[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(name, body)):
            return None
        try:
            return pickle.loads(body)  # noqa: S301 (its MAC says that this project wrote it)
        except Exception:  # noqa: BLE001 (software that changed under the same version)
            return None

    def _write(self, name: str, model: Any) -> None:
        """Write beside and move into place; a model that cannot be kept is trained again."""
        assert self._folder is not None
        try:
            body = pickle.dumps(model)
        except Exception:  # noqa: BLE001 (an estimator's own pickling can raise anything)
            return
        if len(body) > MOST_BYTES // 4:
            return
        beside = self._folder / f"{name}.{os.getpid()}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(place, "wb") as file:
                file.write(self._mac(name, body) + body)
            beside.replace(self._folder / f"{name}.fit")
            self._make_room()
        except OSError:
            beside.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Remove what is too old, then the oldest of what is too much."""
        assert self._folder is not None
        files = sorted(self._folder.glob("*.fit"), key=lambda one: one.stat().st_mtime)
        while files and files[0].stat().st_mtime < time.time() - MOST_SECONDS:
            files.pop(0).unlink(missing_ok=True)
        held = sum(one.stat().st_size for one in files)
        for one in files:
            if held <= MOST_BYTES:
                break
            held -= one.stat().st_size
            one.unlink(missing_ok=True)

    def _mac(self, name: str, body: bytes) -> bytes:
        return hmac.new(self._key, name.encode() + b"\0" + body, hashlib.sha256).digest()


# Names ----------------------------------------------------------------------------------------


def named_by(train: Trainer, rows: Dataset, seed: int) -> Hashable:
    """Name a fit by its content: text that holds across processes, else a name for this one.

    An estimator whose code has no version (a notebook's, a script's) may change under the same
    name, so its fits are known in this process only.
    """
    kept = rows.select([*train.schema.inputs, train.schema.label])
    data = (kept.digest(), _hash(rows.like), seed)
    if train.blank is None:
        return (train.fit, *data)  # a function is itself, for as long as it lives
    try:
        content = _hash(train.blank)
        versions = _versions(train.blank)
    except (pickle.PicklingError, AttributeError, TypeError):
        return (id(train.blank), train.fit, *data)
    if versions is None:
        return (type(train.blank), content, *data)
    parts = "\x1f".join([content, *versions, *map(str, data)])
    return hashlib.sha256(parts.encode()).hexdigest()


def _hash(content: Any) -> str:
    from joblib import hash as content_hash

    return str(content_hash(content, hash_name="sha1"))


def _versions(estimator: Any) -> list[str] | None:
    """The versions of all software that the estimator is made of; None where some has none."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    kinds = {p if callable(p) else type(p) for p in parts if callable(p) or hasattr(p, "fit")}
    names = [f"{kind.__module__}.{getattr(kind, '__qualname__', kind)}" for kind in kinds]
    tops = {name.partition(".")[0] for name in names} | {"numpy", "scipy", "sklearn"}
    known = [_version(top) for top in sorted(tops - {"builtins"})]
    if None in known:
        return None
    return [__version__, platform.python_version(), *sorted(names), *(str(one) for one in known)]


@cache
def _version(top: str) -> str | None:
    if top in ("numpy", "scipy"):
        return f"{top} {version(top)}"
    found = _distributions().get(top)
    return f"{found[0]} {version(found[0])}" if found else None


@cache
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in packages_distributions().items()}


# Training -------------------------------------------------------------------------------------


def fit_all(
    train: Trainer, jobs: Sequence[Job], backend: str | None = None, fits: Fits | None = None
) -> list[Any]:
    """Train one model for each job, in their order; what is known is not trained again.

    What a backend finished is kept before it is asked for more, so a worker that dies costs the
    fits that it held.

    Parameters
    ----------
    backend : the name of a joblib backend; ``ray`` hands tasks to Ray itself. None trains here.

    Raises
    ------
    ModelError : the estimator raised, or workers kept dying.
    """
    fits = Fits() if fits is None else fits
    names = [named_by(train, *job) for job in jobs]
    models = {place: fits.get(name) for place, name in enumerate(names)}
    for _ in range(TRIES):
        missing = [place for place, model in models.items() if model is None]
        if not missing:
            break
        try:
            for place, model in _trained(train, [jobs[p] for p in missing], backend):
                models[missing[place]] = model
                fits.put(names[missing[place]], model)
        except ReticentError:
            raise
        except Exception as error:  # noqa: BLE001 (each backend has its own for a lost worker)
            last = type(error).__name__
    missing = [place for place, model in models.items() if model is None]
    if missing:
        raise ModelError(
            f"{len(jobs)} models trained by the backend {backend!r}",
            f"{len(missing)} were lost with their workers, {TRIES} times ({last})",
            "Give the workers more memory, or leave --backend out",
        )
    return [models[place] for place in range(len(jobs))]


def _trained(train: Trainer, jobs: Sequence[Job], backend: str | None) -> Iterator[tuple[int, Any]]:
    if backend is None:
        return ((place, train.fitted(*job)) for place, job in enumerate(jobs))
    if backend == "ray":
        return _on_ray(train, jobs)
    return _by_joblib(train, jobs, backend)


def _by_joblib(train: Trainer, jobs: Sequence[Job], backend: str) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed

    workers = Parallel(n_jobs=-1, backend=backend)
    return enumerate(workers(delayed(train.fitted)(*job) for job in jobs))


def _on_ray(train: Trainer, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
    """One Ray task a fit: Ray itself begins a task again whose worker or node died."""
    ray = import_module("ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    task: Callable[..., Any] = ray.remote(max_retries=TRIES, num_cpus=1)(_fitted).remote
    shared = ray.put(train)
    waiting = {task(shared, *job): place for place, job in enumerate(jobs)}
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1)
        for one in done:
            place = waiting.pop(one)
            try:
                yield place, ray.get(one)
            except ray.exceptions.RayTaskError as error:
                raise _own(error) from None


def _fitted(train: Trainer, rows: Dataset, seed: int) -> Any:
    return train.fitted(rows, seed)


def _own(error: Any) -> Exception:
    """The error that the fit itself raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, ReticentError) else RuntimeError(type(cause).__name__)

"""Model files read in a child process that may use so much memory and time, and write nothing.

The child looks at the file, loads it, checks its trees, converts it and compares the graph with
the model; what comes back is an ONNX graph as bytes, or why there is none. It holds no secret of
its parent's: they are taken out of its environment.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent.dataset import Dataset
from reticent.errors import MissingExtraError, ModelError, ReticentError, UntrustedModelError
from reticent.files import empty_like
from reticent.targets.onnx import LARGEST

ROOM = 2 << 30  # bytes of memory beyond what the imports took
PER_BYTE = 16  # and this many for each byte of the file
SECONDS = 240  # of computing
PATIENCE = 480.0  # seconds of the clock on the wall, in all
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
ALONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")


class Order(msgspec.Struct, frozen=True):
    """What the child is to do: from its parent, so it may be a pickle.

    Attributes
    ----------
    content, name : of the model's file. columns : of the data. cells : some members' rows, column
        by column. labels : known labels. room, seconds : of memory and of computing.
    """

    content: bytes
    name: str
    columns: tuple[str, ...]
    cells: dict[str, Any]
    labels: Any
    room: int
    seconds: int


class Report(msgspec.Struct, frozen=True):
    """What the child tells: plain data, for it may have read anything.

    Attributes
    ----------
    kind : converted, native (it loads, and serves itself) or refused. how : in one sentence.
    names : columns that the model names. graph : ONNX bytes. error : asked, found, do.
    untrusted : whether what was refused could have done harm.
    """

    kind: Literal["converted", "native", "refused"]
    how: str = ""
    names: tuple[str, ...] | None = None
    graph: bytes | None = None
    error: tuple[str, str, str] = ("", "", "")
    untrusted: bool = False


def looked_at(
    path: Path, content: bytes, columns: list[str], rows: Dataset, labels: Any, *,
    room: int = ROOM, seconds: int = SECONDS, patience: float = PATIENCE,
) -> Report:  # fmt: skip
    """Have a skops file, or a vouched-for pickle, read, checked and converted in a child.

    Parameters
    ----------
    content : of the file at the path. columns : of the data, for a model that names none.
    rows : some members, to compare with. labels : known labels (n,).
    room : bytes of memory. seconds, patience : of computing, and in all.

    Raises
    ------
    MissingExtraError : a package that it takes is not installed.
    UntrustedModelError : the file is not what it should be, or broke a limit, or the child.
    ModelError : it cannot be read.
    """
    for package in needed(path):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"the model {path.name}", package, "serve")
    cells = {name: rows[name] for name in columns}
    limit = room + PER_BYTE * len(content)
    order = Order(content, path.name, tuple(columns), cells, labels, limit, seconds)
    told, status = _run(msgspec.structs.asdict(order), patience)
    try:
        report = msgspec.msgpack.decode(told, type=Report)
    except msgspec.DecodeError:
        raise UntrustedModelError(
            f"the model {path}", f"reading it broke a limit or the process ({_end(status)})",
            "Save it as ONNX; if it is yours and this large, give the process more memory",
        ) from None  # fmt: skip
    if report.kind == "refused":
        _, found, do = report.error
        raise (UntrustedModelError if report.untrusted else ModelError)(
            f"the model {path}", found, do
        )
    return report


def needed(path: Path) -> list[str]:
    """Name the packages that reading and converting a file takes."""
    skops = ["skops.io"] if path.suffix == ".skops" else []
    return ["sklearn.ensemble", "onnx", "onnxruntime", "skl2onnx", *skops]


def _end(status: int) -> str:
    import signal

    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _run(order: dict[str, Any], patience: float) -> tuple[bytes, int]:
    """Start the child, give it the order in a file without a name, and read what it tells."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    kept |= dict.fromkeys(ALONE, "1") | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with tempfile.TemporaryFile() as given:
        pickle.dump(order, given, protocol=pickle.HIGHEST_PROTOCOL)
        given.seek(0)
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "reticent.targets.child"], stdin=given,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=kept,
            start_new_session=True,
        ) as child:  # fmt: skip
            clock = threading.Timer(patience, child.kill)
            clock.start()
            try:
                assert child.stdout is not None
                told = child.stdout.read(LARGEST)
                child.wait()
            finally:
                clock.cancel()
                child.kill()
    return told, child.returncode


# In the child ---------------------------------------------------------------------------------


def main() -> None:
    """Do what the order on standard input says, and tell it on standard output."""
    order = Order(**pickle.load(sys.stdin.buffer))  # noqa: S301 (from the parent)
    tell = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes nowhere
    for package in needed(Path(order.name)):  # before the limits, which are for the file alone
        importlib.import_module(package)
    _limit(order.room, order.seconds)
    try:
        report = _report(order)
    except ReticentError as error:
        untrusted = isinstance(error, UntrustedModelError)
        report = Report("refused", error=(error.asked, error.found, error.do), untrusted=untrusted)
    tell.write(msgspec.msgpack.encode(report))
    tell.flush()
    os._exit(0)  # nothing of the model's is asked to clean up


def _limit(room: int, seconds: int) -> None:
    """Bound memory and computing from here on; no file grows, no process starts, no core drops."""
    try:
        import resource
    except ImportError:  # not a Unix: the clock of the parent is what is left
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    bounds = {
        resource.RLIMIT_AS: _size() + room,
        resource.RLIMIT_CPU: math.ceil(usage.ru_utime + usage.ru_stime) + seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, wanted in bounds.items():
        hard = resource.getrlimit(what)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - 1)
        # Hard a second behind soft: the end is by SIGXCPU, which says why.
        resource.setrlimit(what, (max(most, 0), max(most, 0) + (what == resource.RLIMIT_CPU)))


def _size() -> int:
    """Return how many bytes of address space this process has taken."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return 2 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _report(order: Order) -> Report:
    from reticent.targets.convert import converted
    from reticent.targets.load import from_bytes
    from reticent.targets.native import in_order, named, native

    model = from_bytes(order.content, Path(order.name))
    names = named(model, order.columns)
    columns = in_order(names, order.columns, Path(order.name))
    like = empty_like({name: column[:0] for name, column in order.cells.items()})
    known = native(model, columns, like, order.labels)
    found = converted(model, known, Dataset(order.cells, known.like))
    kind: Literal["converted", "native"] = "native" if found.graph is None else "converted"
    return Report(kind, found.how, None if names is None else tuple(names), found.graph)


if __name__ == "__main__":
    main()

"""A living gateway: `reticent serve` in a process of its own, on a small project.

The project is built once in a session; each test takes a copy of it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from reticent.access.keys import issue
from reticent.access.secret import root_secret
from reticent.cli import status
from reticent.store import Store
from reticent.stores.opened import open_store

COLUMNS = {"age": "INT64", "hours": "FP64", "town": "BYTES", "smokes": "INT64"}
TOWNS = ["Ayr", "Bonn", "Cork"]
ROW = (44, 38.5, "Bonn", 1)
START = 40.0  # seconds, on a machine that does other things too
COMMAND = [sys.executable, "-m", "reticent"]
PATH = "/v2/models/forest/infer"
TOML = """\
[data]
members = "members.csv"
others = "others.csv"
auxiliary = "public.csv"
[columns]
ill = "label"
smokes = "sensitive"
[domains]
smokes = {values = [0, 1], public = true}
town = {values = ["Ayr", "Bonn", "Cork"], public = true}
[model]
path = "forest.onnx"
[roles.partner]
output = "label"
marginalize = ["smokes"]
[roles.clinic]
output = "scores"
"""


def people(seed: int, n: int = 60) -> pd.DataFrame:
    """Invented people, one column of whom is text."""
    rng = np.random.default_rng([seed, 11])
    frame = pd.DataFrame({"age": rng.integers(18, 90, n), "hours": rng.normal(38, 9, n).round(1)})
    frame["town"] = rng.choice(TOWNS, n)
    frame["smokes"] = rng.integers(2, size=n)
    frame["ill"] = np.where(frame["age"] / 90 + 0.5 * frame["smokes"] > 0.9, "yes", "no")
    return frame


@cache
def forest() -> bytes:
    """A forest on the members, as ONNX with an input for each column."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = people(1)
    towns = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder="passthrough")
    trees = RandomForestClassifier(10, max_depth=4, random_state=0)
    model = make_pipeline(towns, trees).fit(rows[list(COLUMNS)], rows["ill"])
    kinds = {"INT64": Int64TensorType, "FP64": FloatTensorType, "BYTES": StringTensorType}
    inputs = [(name, kinds[kind]([None, 1])) for name, kind in COLUMNS.items()]
    graph = to_onnx(model, initial_types=inputs, options={id(model): {"zipmap": False}})
    return bytes(graph.SerializeToString())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, as a person would have it before the first start."""
    folder = tmp_path_factory.mktemp("built")
    for name, seed in (("members", 1), ("others", 2), ("public", 3)):
        people(seed).to_csv(folder / f"{name}.csv", index=False)
    (folder / "forest.onnx").write_bytes(forest())
    (folder / "reticent.toml").write_text(TOML)
    return folder


@dataclass
class Site:
    """A copy of the project, and its commands."""

    folder: Path
    env: dict[str, str] = field(default_factory=lambda: {"OMP_NUM_THREADS": "1", "COLUMNS": "120"})

    @property
    def toml(self) -> Path:
        return self.folder / "reticent.toml"

    @property
    def state(self) -> Path:
        return self.folder / ".reticent"

    def swap(self, old: str, new: str) -> None:
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def add(self, text: str) -> None:
        self.toml.write_text(self.toml.read_text() + text)

    def run(self, *typed: str) -> subprocess.CompletedProcess[str]:
        """Run one command in a process of its own."""
        return subprocess.run(
            [*COMMAND, *typed], cwd=self.folder, env={**os.environ, **self.env}, text=True,
            capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def here(self, *typed: str) -> tuple[int, list[Any]]:
        """Run one command in this process, with --json: its exit status, and what it told."""
        out = io.StringIO()
        with redirect_stdout(out):
            code = status([*typed, "--json"])
        return code, [json.loads(line) for line in out.getvalue().splitlines()]

    def store(self, url: str | None = None) -> Store:
        return open_store(url, self.state)

    def key(self, role: str, owner: str = "", url: str | None = None, **how: Any) -> str:
        """Make a key without the second that a command takes to begin."""
        secret = root_secret(self.state, create=True)
        record, text = issue(secret, role, owner=owner or role, now=time.time(), **how)
        with closing(self.store(url)) as store:
            store.save_key(record)
        return text

    def start(self, *options: str, **popen: Any) -> Alive:
        """Start a gateway and wait until it listens."""
        return Alive(self, options, **popen)

    @contextmanager
    def alive(self, *options: str, **popen: Any) -> Iterator[Alive]:
        """A gateway that is stopped in the end, and must then have ended well."""
        gateway = self.start(*options, **popen)
        try:
            yield gateway
        except BaseException as error:
            gateway.kill()
            error.add_note(gateway.log.read_text())
            raise
        assert gateway.stop() == 0, gateway.log.read_text()


class Sites(Protocol):
    """Makes a site from the project file's text."""

    def __call__(self, toml: str = TOML, name: str = "site") -> Site: ...


def copied(built: Path, folder: Path, toml: str = TOML) -> Site:
    """Make a site of one's own."""
    shutil.copytree(built, folder)
    site = Site(folder)
    site.toml.write_text(toml)
    return site


@pytest.fixture
def sites(built: Path, tmp_path: Path) -> Sites:
    def make(toml: str = TOML, name: str = "site") -> Site:
        return copied(built, tmp_path / name, toml)

    return make


@pytest.fixture
def site(sites: Sites) -> Site:
    return sites()


@dataclass
class Heard:
    """A reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message, where the body is an error and nothing else."""
        told = self.json
        assert list(told) == ["error"], told
        assert self.headers["content-type"] == "application/json"
        return str(told["error"])

    def output(self, name: str) -> list[Any]:
        data: list[Any] = next(one for one in self.json["outputs"] if one["name"] == name)["data"]
        return data


class Alive:
    """A gateway in a process (group) of its own."""

    def __init__(self, site: Site, options: Sequence[str], **popen: Any) -> None:
        self.site, self.log = site, site.folder / "serve.log"
        command = [*COMMAND, "serve", "reticent.toml", "--port", "0", "--admin-port", "0", "--json"]
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options], cwd=site.folder, env={**os.environ, **site.env},
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                stdin=subprocess.DEVNULL, **popen,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.seconds = time.monotonic() - began
        if not line:
            self.process.wait(START)
            raise AssertionError(self.log.read_text())
        self.told: dict[str, Any] = json.loads(line)
        self.url, self.admin = self.told["url"], self.told["admin"]
        self.port = urlsplit(self.url).port or 0
        self.admin_port = urlsplit(self.admin).port or 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and wait: its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._hang_up()
        return status

    def kill(self) -> None:
        """Kill it and all its workers, as a power cut would."""
        with_all = os.getpgid(self.process.pid) if self.process.poll() is None else 0
        if with_all:
            os.killpg(with_all, signal.SIGKILL)
        self.process.wait(30)
        self._hang_up()

    def _hang_up(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def send(self, method: str, path: str, body: bytes | None = None, key: str | None = None,
             headers: dict[str, str] | None = None, admin: bool = False) -> Heard:  # fmt: skip
        """One request on a connection of its own."""
        line = HTTPConnection("127.0.0.1", self.admin_port if admin else self.port, timeout=30)
        shown = {} if key is None else {"Authorization": f"Bearer {key}"}
        with closing(line):
            line.request(method, path, body, {**shown, **(headers or {})})
            reply = line.getresponse()
            told = {name.lower(): value for name, value in reply.getheaders()}
            return Heard(reply.status, told, reply.read())

    def ask(self, key: str, *rows: Sequence[Any]) -> Heard:
        """Ask about some rows."""
        return self.send("POST", PATH, asking(*(rows or (ROW,))), key)

    def workers(self) -> list[int]:
        """Its children."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found]

    def heard(self, event: str) -> int:
        """How often it logged an event."""
        return sum(one["event"] == event for one in self.events())

    def events(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]


def asking(*rows: Sequence[Any]) -> bytes:
    """The body of a request about rows; a column that the first one lacks (None) is left out."""
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[at] for row in rows]}
        for at, (name, kind) in enumerate(COLUMNS.items())
        if rows[0][at] is not None
    ]
    return json.dumps({"inputs": inputs}).encode()


def eventually(true: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)

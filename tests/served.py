"""A throwaway server of the Open Inference Protocol v2 around a target, for tests of its client.

It reads and writes the protocol's JSON by itself, so that client and gateway cannot agree on a
mistake.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target

HANGS_UP = "X-Hangs-Up"
Canned = tuple[int, dict[str, str], bytes]


@dataclass
class Served:
    """A target behind an address.

    Attributes
    ----------
    canned : replies (status, headers, body) that come first, each once; status 0 hangs up.
    asked : how many rows each request had. seen : the requests' paths and authorizations.
    most : rows that are taken at a time. key : the only one let in, where there is one.
    """

    target: Target
    metadata: dict[str, Any]
    top: int | None = None
    most: int = 1 << 30
    key: str | None = None
    canned: list[Canned] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def reply(self, path: str, key: str | None, body: bytes) -> Canned:
        """Answer one request."""
        self.seen.append((path, key))
        if self.canned:
            return self.canned.pop(0)
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, {}, b'{"error": "no"}'
        if path == "/v2/models/toy":
            return 200, {}, json.dumps(self.metadata).encode()
        if path != "/v2/models/toy/infer":
            return 404, {}, b'{"error": "no such model"}'
        read = {one["name"]: _array(one) for one in json.loads(body)["inputs"]}
        if list(read) == ["input"]:
            matrix = read["input"]
            read = dict(zip(self.target.columns, matrix.T, strict=True))
        rows = Dataset(read)
        self.asked.append(len(rows))
        if len(rows) > self.most:
            return 413, {}, b'{"error": "too many"}'
        outputs = told(self.target, self.target.ask(rows), self.top)
        return 200, {}, json.dumps({"model_name": "toy", "outputs": outputs}).encode()


def _array(tensor: dict[str, Any]) -> Any:
    kind = {"FP64": float, "INT64": np.int64, "BYTES": object}[tensor["datatype"]]
    return np.array(tensor["data"], dtype=kind).reshape(tensor["shape"])


def told(target: Target, answer: Answer, top: int | None) -> list[dict[str, Any]]:
    """Lay an answer out as a gateway does; a gap among numbers becomes null."""
    found = []

    def tell(name: str, datatype: str, data: Any) -> None:
        cells = [None if one != one else one for one in data.ravel().tolist()]
        found.append({"name": name, "datatype": datatype, "shape": data.shape, "data": cells})

    if answer.label is not None:
        assert target.classes is not None
        names = np.array([*map(str, target.classes), ""], dtype=object)
        label, scores = answer.label, answer.scores
        if top is not None:
            assert scores is not None
            label = np.argsort(-scores, axis=1, kind="stable")[:, :top]
            scores = np.take_along_axis(scores, label, axis=1)
        tell("label", "BYTES", names[label])
        if scores is not None:
            tell("scores", "FP64", scores)
    if answer.value is not None:
        tell("value", "FP64", answer.value)
    if answer.answered is not None:
        tell("answered", "BOOL", answer.answered)
    return found


def metadata(
    target: Target, kinds: dict[str, str], top: int | None = None, extra: Sequence[str] = ()
) -> dict[str, Any]:
    """What a gateway says about a target.

    Parameters
    ----------
    kinds : the columns' datatypes. extra : columns that may be left out.
    """
    inputs = [{"name": n, "datatype": kinds.get(n, "FP64"), "shape": [-1]}
              for n in [*target.columns, *extra]]  # fmt: skip
    outputs: list[dict[str, Any]] = []
    if target.classes is None:
        outputs = [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    elif target.reveals & Reveals.LABEL:
        wide = [] if top is None else [top]
        outputs = [{"name": "label", "datatype": "BYTES", "shape": [-1, *wide]}]
        if target.reveals & Reveals.TOP_K:
            width = len(target.classes) if top is None else top
            outputs.append({"name": "scores", "datatype": "FP64", "shape": [-1, width]})
    if target.reveals & Reveals.ABSTAIN:
        outputs.append({"name": "answered", "datatype": "BOOL", "shape": [-1]})
    about: dict[str, Any] = {"name": "toy", "platform": "reticent", "inputs": inputs,
                             "outputs": outputs}  # fmt: skip
    if target.classes is not None and outputs:
        about["parameters"] = {"classes": target.classes.tolist()}
    return about


@contextmanager
def serving(
    target: Target, about: dict[str, Any], *, top: int | None = None, **options: Any
) -> Iterator[Served]:
    """Serve a target in a thread of this process."""
    served = Served(target, about, top, **options)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = served.reply(self.path, self.headers["Authorization"], body)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)
            if HANGS_UP in headers:  # without a word, as with an idle line
                self.close_connection = True

        do_GET = do_POST = _serve  # noqa: N815 (the server's own names)

        def log_message(self, *told: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()

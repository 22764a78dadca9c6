"""An ONNX file, read as data: no custom operators, no external files, a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, unique
from reticent.dataset import Dataset
from reticent.errors import DataError, MissingExtraError, ModelError, UntrustedModelError
from reticent.target import Answer, Reveals, Upstream
from reticent.targets.local import BATCH, batches, checked, positions
from reticent.targets.network import Network, softmax
from reticent.targets.onnx_layers import network_of_graph

PROBED = 8  # made-up rows on which a graph's layers are compared with its answers
LARGEST = 1 << 30  # bytes of a model file
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # operators that onnxruntime ships itself
_NUMPY = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32,
          "string": object, "bool": np.bool_}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Onnx:
    """A loaded ONNX graph.

    Attributes
    ----------
    session : the onnxruntime session. output : the name of its scores, values or labels.
    kind : what that output is: scores, label or value.
    matrix : the name and type of the one input that takes all columns; None: one input a column.
    network : its layers, where the graph is one chain that can be followed back.
    """

    session: Any
    output: str
    kind: str
    columns: list[str]
    classes: NDArray[Any] | None
    matrix: tuple[str, Any] | None
    network: Network | None = None

    @property
    def reveals(self) -> Reveals:
        """Any row may be asked; a graph without scores tells labels or values."""
        told = Reveals.ANY_ROW | Reveals.LABEL
        told |= Reveals.GRADIENT if self.network else Reveals.NOTHING
        return told | (Reveals.SCORES | Reveals.TOP_K if self.kind == "scores" else told)

    @property
    def ignores(self) -> frozenset[str]:
        """Nothing: a bare model looks at every column."""
        return frozenset()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, in batches.

        Raises
        ------
        ModelError : a column has no numbers where the graph wants them, or the graph failed.
        """
        n = len(rows)
        if n <= BATCH:
            told = self._told(rows, n)
        else:
            told = np.concatenate([self._told(batch, len(batch)) for batch in batches(rows)])
        if self.kind == "scores":
            return Answer(told.argmax(axis=1), told)
        if self.kind == "label":
            assert self.classes is not None
            return Answer(positions(told, self.classes))
        return Answer(value=told)

    def backward(
        self, x: NDArray[np.float64], upstream: Upstream
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Follow the answers to (n, d) inputs back to them (GRADIENT)."""
        if self.network is None:
            raise ModelError(
                "the gradient of the graph", "it is no chain of known operators",
                "Attack its answers",
            )  # fmt: skip
        return self.network.backward(x, upstream)

    def _feed(self, rows: Dataset) -> dict[str, NDArray[Any]]:
        """Lay n rows out as the graph wants them; a matrix goes in as it is, but for its type."""
        if self.matrix is None:
            return {one.name: _cell(rows[one.name], one) for one in self.session.get_inputs()}
        name, dtype = self.matrix
        x = rows.matrix(self.columns)
        if x is None:
            x = np.column_stack([rows[column].astype(dtype) for column in self.columns])
        return {name: x if x.dtype == dtype else x.astype(dtype)}

    def _told(self, rows: Dataset, n: int) -> NDArray[Any]:
        try:
            told = self.session.run([self.output], self._feed(rows))[0]
        except DataError:
            raise
        except Exception as error:  # noqa: BLE001 (a graph can raise anything)
            raise ModelError(
                f"an answer to {n} rows", f"the ONNX graph raised {type(error).__name__}",
                "Check that its inputs are the columns " + ", ".join(self.columns),
            ) from None  # fmt: skip
        if self.kind != "scores":
            return checked(np.asarray(told), n, None, numbers=self.kind == "value")
        assert self.classes is not None
        k = len(self.classes)
        if isinstance(told, list):  # a ZipMap: one mapping of class to probability per row
            told = [[row.get(name, np.nan) for name in self.classes.tolist()] for row in told]
            told = np.array(told)
        if told.shape == (n, 1) and k == 2:
            told = np.column_stack([1 - told, told])
        return checked(told, n, k, numbers=True)


def load_onnx(path: Path, columns: list[str], labels: Column, threads: int = 0) -> Onnx:
    """Check an ONNX file and load it.

    Parameters
    ----------
    labels : known labels (n,), for graphs that do not name their classes.
    threads : that answer one call; 0: one a core, which large batches want and single rows do not.

    Raises
    ------
    MissingExtraError : onnxruntime is not installed.
    UntrustedModelError : too large, with external data or operators of unknown origin.
    ModelError : not a graph of these columns.
    """
    return opened(_content(path), path, columns, labels, threads)


def opened(
    content: bytes, path: Path, columns: list[str], labels: Column, threads: int = 0
) -> Onnx:
    """Check the bytes of an ONNX file and load them, as ``load_onnx`` does; the path is its name.

    Raises
    ------
    MissingExtraError, UntrustedModelError, ModelError : as ``load_onnx`` does.
    """
    graph = _parsed(content, path)
    named = _class_names(graph)
    if _unzipped(graph):
        content = graph.SerializeToString()
    session = _session(content, path, threads)
    _check_inputs(session, columns, path)
    output, kind = _output(session)
    if kind == "scores" and named is None:
        named = unique(labels)
    classes = None if kind == "value" else unique(labels) if named is None else named
    inputs = session.get_inputs()
    single = _single(inputs, columns)
    matrix = (inputs[0].name, np.dtype(_NUMPY[_element(inputs[0].type)])) if single else None
    found = Onnx(session, output, kind, columns, classes, matrix)
    return replace(found, network=_network(found, graph))


def graph_and_session(path: Path) -> tuple[Any, Any]:
    """Check an ONNX file that is no classifier, such as a decoder: its graph, and a session.

    Raises
    ------
    MissingExtraError, UntrustedModelError, ModelError : as ``load_onnx`` does.
    """
    content = _content(path)
    graph = _parsed(content, path)
    return graph, _session(content, path, 0)


def _session(content: bytes, path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (its exceptions have no common class)
        raise ModelError(
            str(path), f"onnxruntime refuses it ({type(error).__name__})", "Export the model again"
        ) from None


def _network(found: Onnx, graph: Any) -> Network | None:
    """Read the layers of a graph, and believe them only where they answer as onnxruntime does."""
    if found.matrix is None or found.kind == "label":
        return None
    network = network_of_graph(graph, found.output)
    if network is None or network.width != len(found.columns):
        return None
    x = np.random.default_rng(0).uniform(-1, 1, (PROBED, network.width))
    try:
        told, own = found.ask(Dataset.of_matrix(x, found.columns)), network.forward(x)
        alike = told.value if told.scores is None else told.scores
        says = own[:, 0] if told.scores is None else softmax(own)
        same = alike is not None and np.allclose(alike, says, rtol=1e-3, atol=1e-4)
    except (ModelError, ValueError):
        return None
    return network if same else None


def _unzipped(graph: Any) -> bool:
    """Take the ZipMap off the end of a graph: it makes of each row's scores a Python dict."""
    ends = {one.name: one for one in graph.graph.output}
    zips = [
        node for node in graph.graph.node
        if node.op_type == "ZipMap" and node.output[0] in ends and node.input[0] not in ends
    ]  # fmt: skip
    for node in zips:
        end, names = ends[node.output[0]], node.attribute
        end.name = node.input[0]
        end.type.tensor_type.elem_type = 1  # float
        end.type.tensor_type.shape.dim.add()  # as many rows as there are
        wide = sum(len(one.ints) + len(one.strings) for one in names)
        end.type.tensor_type.shape.dim.add().dim_value = wide
        graph.graph.node.remove(node)
    return bool(zips)


def _refuse_foreign(graph: Any, path: Path, external: int) -> None:
    """Look through the graph, its functions and the graphs inside its nodes (If, Loop, Scan)."""
    parts = list(_messages(graph))
    nodes = [part for part in parts if part.DESCRIPTOR.name == "NodeProto"]
    foreign = sorted({node.domain for node in nodes} - set(DOMAINS))
    if foreign:
        raise UntrustedModelError(
            str(path), f"operators of {', '.join(foreign)}", "Use standard ones"
        )
    tensors = [part for part in parts if part.DESCRIPTOR.name == "TensorProto"]
    if any(tensor.data_location == external or tensor.external_data for tensor in tensors):
        raise UntrustedModelError(str(path), "tensors in other files", "Save it as one file")


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and every message within it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _messages(part)


def _check_inputs(session: Any, columns: list[str], path: Path) -> None:
    inputs = session.get_inputs()
    if _single(inputs, columns):
        width = inputs[0].shape[-1]
        if isinstance(width, int) and width != len(columns):
            raise ModelError(str(path), f"it takes {width} columns, the data has {len(columns)}",
                             "Give each column its role: label, identifier")  # fmt: skip
    elif missing := [one.name for one in inputs if one.name not in columns]:
        raise ModelError(str(path), f"the data lacks its inputs {', '.join(missing)}",
                         "Name the columns as the graph does")  # fmt: skip


def _single(inputs: Any, columns: list[str]) -> bool:
    """Say whether one input takes all columns, side by side."""
    return len(inputs) == 1 and (len(columns) > 1 or inputs[0].name not in columns)


def _output(session: Any) -> tuple[str, str]:
    """Choose what to read: class scores if there are any, else labels, else values."""
    outputs = session.get_outputs()
    for one in outputs:
        wide = len(one.shape or []) == 2 and one.shape[1] != 1
        if one.type.startswith("seq") or (wide and "float" in one.type) or "prob" in one.name:
            return one.name, "scores"
    first = outputs[0]
    return first.name, "value" if _element(first.type) in ("float", "double") else "label"


def _class_names(graph: Any) -> NDArray[Any] | None:
    """Read the names off the last node that has some: an ensemble's parts may number theirs."""
    for node in reversed(graph.graph.node):
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                if attribute.ints:
                    return np.array(list(attribute.ints))
                if attribute.strings:
                    return np.array([name.decode() for name in attribute.strings], dtype=object)
    return None


def _element(kind: str) -> str:
    return kind.removeprefix("tensor(").removesuffix(")")


def _cell(column: Column, one: Any) -> NDArray[Any]:
    dtype = _NUMPY[_element(one.type)]
    shaped: NDArray[Any] = column.astype(dtype)
    return shaped[:, None] if len(one.shape or []) == 2 else shaped


def input_names(path: Path) -> list[str] | None:
    """Name the columns that a graph wants, or None where it takes one matrix.

    Raises
    ------
    MissingExtraError : onnx is not installed.
    ModelError : no such file, or not an ONNX graph.
    """
    graph = _parsed(_content(path), path).graph
    constants = {tensor.name for tensor in graph.initializer}
    names = [one.name for one in graph.input if one.name not in constants]
    return names if len(names) > 1 else None


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ModelError(f"the model {path}", "there is no such file", "Check [model].path")
    if path.stat().st_size > LARGEST:
        raise UntrustedModelError(str(path), f"over {LARGEST >> 30} GiB", "Give a smaller graph")
    return path.read_bytes()


def _parsed(content: bytes, path: Path) -> Any:
    """Read a graph and refuse what could reach outside it."""
    try:
        import onnx
        import onnxruntime  # noqa: F401 (both come with one extra, and both are needed)
    except ImportError as error:
        raise MissingExtraError(
            f"the model {path.name}", error.name or "onnxruntime", "serve"
        ) from None
    try:
        graph = onnx.load_model_from_string(content)
    except Exception:  # noqa: BLE001 (a graph can raise anything)
        raise ModelError(str(path), "it is no ONNX graph", "Export the model again") from None
    _refuse_foreign(graph, path, onnx.TensorProto.EXTERNAL)
    return graph

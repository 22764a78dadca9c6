"""Any endpoint that takes rows and answers JSON, by a user's own template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError
from reticent.target import Answer, Reveals
from reticent.targets.answers_file import class_name
from reticent.targets.http import ROUNDED, classes_of, sum_to_one
from reticent.targets.line import Line, Reply, is_html
from reticent.targets.paths import LostError
from reticent.targets.remote import exchanged, joined
from reticent.targets.request import Template

CHECK = "Correct the path in the template, or the endpoint"
MEANT = {
    400: "Compare the body in the template with what the endpoint documents",
    404: "Correct the address, or the path in the template",
    405: "Correct the method or the path in the template",
    415: "Give the content type it wants as a header in the template",
    422: "Compare the body in the template with what the endpoint documents",
}


@dataclass(frozen=True, slots=True)
class Templated:
    """An endpoint that a template describes.

    Attributes
    ----------
    batch : rows a request, at most.
    """

    line: Line
    template: Template
    columns: list[str]
    classes: NDArray[Any] | None
    ignores: frozenset[str]
    batch: int

    @property
    def reveals(self) -> Reveals:
        """What the template says that an answer tells."""
        told, says = self.template.request.answer, Reveals.ANY_ROW
        if told.label or told.scores or told.value:
            says |= Reveals.LABEL
        if told.scores:
            few = told.partial and told.names is not None
            says |= Reveals.TOP_K | (Reveals.NOTHING if few else Reveals.SCORES)
        says |= Reveals.VECTOR if told.vector else Reveals.NOTHING
        return says | (Reveals.ABSTAIN if told.answered else Reveals.NOTHING)

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, in requests of at most ``batch``.

        Raises
        ------
        ModelError : the endpoint refuses, or answers otherwise than the template says.
        """
        parts = list(self.each(rows))
        return joined(parts) if parts else self._nothing()

    def each(self, rows: Dataset) -> Iterator[Answer]:
        """Answer n rows request by request; one too large for the endpoint goes in halves."""
        for some, reply in exchanged(rows.select(self.columns), self.batch, self._sent):
            if not 200 <= reply.status < 300:
                raise self._refused(reply)
            yield self._answer(self._document(reply), len(some))

    def _sent(self, rows: Dataset) -> Reply:
        body = self.template.body(self.columns, _cells(rows))
        request = self.template.request
        return self.line.send(request.path, body, verb=request.method, one=len(rows) == 1)

    def _refused(self, reply: Reply) -> ModelError:
        refused = self.line.refused(reply)
        do = MEANT.get(reply.status)
        if do is None:
            return refused
        return ModelError(refused.asked, f"it does not take this (status {reply.status})", do)

    def _document(self, reply: Reply) -> Any:
        try:
            return msgspec.json.decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = "it is HTML, not JSON" if is_html(reply.body) else "it is not JSON"
            raise ModelError(
                f"an answer of {self.line.place}", found,
                "Give the address of the service itself, not of a page about it",
            ) from None  # fmt: skip

    def _answer(self, document: Any, n: int) -> Answer:
        try:
            told = {part: path.find(document, n) for part, path in self.template.paths.items()}
        except LostError as lost:
            raise ModelError(
                f"an answer of {self.line.place}", f"the template's path leads nowhere: {lost}",
                CHECK,
            ) from None  # fmt: skip
        passed = np.ones(n, dtype=bool)
        if "answered" in told:
            passed = self._truths(told["answered"])
        scores, label, value = None, None, None
        if "scores" in told:
            scores = self._scores(told["scores"], told.get("names"), passed)
        if "label" in told:
            label = self._labels(told["label"], passed)
        elif scores is not None:
            label = np.where(passed, np.nan_to_num(scores).argmax(axis=1), -1)
        if "value" in told:
            value = self._numbers("value", told["value"], passed, ())
        vector = None
        if "vector" in told:
            vector = self._numbers("vector", told["vector"], passed, (None,))
        return Answer(label, scores, value, vector, passed if "answered" in told else None)

    def _truths(self, told: list[Any]) -> NDArray[np.bool_]:
        if not all(isinstance(one, bool) for one in told):
            raise self._strange("answered", "something that is neither true nor false")
        return np.array(told, dtype=bool)

    def _labels(self, told: list[Any], passed: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Read class names (n,) as their places; -1 where refused."""
        label = np.array([self._places().get(_name(one), -1) for one in told], dtype=np.intp)
        label[~passed] = -1
        if (label[passed] < 0).any():
            raise self._strange("label", "a class that is none of the data's or the template's")
        return label

    def _scores(
        self, told: list[Any], names: list[Any] | None, passed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Read scores (n, k) in the order of the classes; NaN where refused."""
        assert self.classes is not None
        k, partial = len(self.classes), self.template.request.answer.partial
        scores = np.full((len(told), k), np.nan)
        if all(isinstance(one, int | float) for one, there in zip(told, passed, strict=True)
               if there) and k == 2:  # fmt: skip
            scores[:, 1] = self._numbers("scores", told, passed, ())
            scores[:, 0] = 1 - scores[:, 1]
        elif names is None and not any(isinstance(one, dict) for one in told):
            scores = self._numbers("scores", told, passed, (k,))
        else:
            for place in np.flatnonzero(passed):
                of = told[place] if names is None else self._paired(names[place], told[place])
                scores[place] = self._by_name(of, partial)
        right = (scores[passed] > -ROUNDED).all() if partial else sum_to_one(scores[passed])
        if not right:
            raise self._strange(
                "scores", "numbers that are no probabilities",
                'Point at probabilities; "partial": true says that they are rounded or cut',
            )  # fmt: skip
        return scores

    def _paired(self, names: Any, scores: Any) -> dict[Any, Any]:
        if not isinstance(names, list) or not isinstance(scores, list):
            raise self._strange("names", "no list beside that of the scores")
        if len(names) != len(scores):
            raise self._strange("names", "another number of names than of scores")
        return {_name(name): score for name, score in zip(names, scores, strict=True)}

    def _by_name(self, of: Any, partial: bool) -> NDArray[np.float64]:
        """Place the scores of one row (k,) that stand beside their classes' names."""
        places = self._places()
        if not isinstance(of, dict) or any(_name(name) not in places for name in of):
            raise self._strange("scores", "a class that is none of the data's or the template's")
        if len(of) != len(places) and not partial:
            raise self._strange(
                "scores", f"{len(of)} classes of {len(places)}",
                'Say "partial": true where only the highest are told',
            )  # fmt: skip
        scores = np.zeros(len(places))
        at = [places[_name(name)] for name in of]
        told = self._numbers("scores", list(of.values()), np.ones(len(of), dtype=bool), ())
        scores[at] = told
        return scores

    def _numbers(
        self, part: str, told: list[Any], passed: NDArray[np.bool_], shape: tuple[int | None, ...]
    ) -> NDArray[np.float64]:
        """Read numbers (n, ...); NaN where refused."""
        kept = [one for one, there in zip(told, passed, strict=True) if there]
        if not _all_numbers(kept):
            raise self._strange(part, "something that is no number")
        try:
            found = np.array(kept, dtype=float)
        except (ValueError, OverflowError):
            raise self._strange(part, "rows of different lengths") from None
        if not kept:
            found = np.empty((0, *(size or 1 for size in shape)))
        wide = found.shape[1:]
        if len(wide) != len(shape) or any(
            size not in (None, own) for size, own in zip(shape, wide, strict=True)
        ):
            wanted = f"{shape[0] or 'some'} numbers" if shape else "one number"
            raise self._strange(part, f"rows of shape {wide or 'one number'} for {wanted}")
        if not np.isfinite(found).all():
            raise self._strange(part, "numbers that are not finite")
        numbers = np.full((len(told), *wide), np.nan)
        numbers[passed] = found
        return numbers

    def _places(self) -> dict[str, int]:
        assert self.classes is not None
        return {class_name(one): place for place, one in enumerate(self.classes.tolist())}

    def _strange(self, part: str, found: str, do: str = CHECK) -> ModelError:
        path = self.template.paths[part].text
        return ModelError(
            f"an answer of {self.line.place}", f"at {path!r} ({part}) there is {found}", do
        )

    def _nothing(self) -> Answer:
        told = self.template.request.answer
        if told.value is not None:
            return Answer(value=np.empty(0))
        scores = np.empty((0, len(self.classes))) if self.classes is not None else None
        label = None if self.classes is None else np.empty(0, np.intp)
        return Answer(label, scores if told.scores is not None else None)


def templated(
    line: Line, template: Template, columns: Sequence[str], labels: Column,
    rows_per_minute: int | None = None,
) -> Templated:  # fmt: skip
    """Return the endpoint that a template describes as a target; nothing is asked yet.

    Parameters
    ----------
    columns : the data's, in the schema's order. labels : known labels (n,), for a template that
        does not name its classes.
    rows_per_minute : what the contract allows; no request has more rows.

    Raises
    ------
    ConfigError : the template names a column that there is not, or no class of the data.
    """
    template.check(columns)
    wanted = template.columns(columns)
    told = template.request.answer
    classes = None
    if told.label is not None or told.scores is not None:
        named = template.request.classes
        classes = classes_of(None if named is None else list(named), labels)
        if len(classes) < 2:
            raise ConfigError(
                "the classes of the endpoint", "there is one", "Name them in the template: classes"
            )
    batch = min(template.batch, rows_per_minute or template.batch)
    return Templated(line, template, wanted, classes, frozenset(columns) - frozenset(wanted), batch)


def _cells(rows: Dataset) -> list[tuple[Any, ...]]:
    """The cells of n rows, as JSON has them; a gap is null."""
    columns: list[list[Any]] = []
    for name in rows.names:
        cells = rows[name].tolist()
        gaps = is_missing(rows[name]).tolist()
        columns.append([None if gap else one for one, gap in zip(cells, gaps, strict=True)])
    return list(zip(*columns, strict=True))


def _name(told: Any) -> str:
    return class_name(told) if isinstance(told, str | int | float | bool) else ""


def _all_numbers(told: Any) -> bool:
    if isinstance(told, list):
        return all(_all_numbers(one) for one in told)
    return isinstance(told, int | float) and not isinstance(told, bool)

"""A user's own JSON template: how an endpoint is asked, and where its answer says what.

In the body, ``"$row"`` is one row, ``"$row.age"`` one cell of it, and a list whose only entry is
about a row is written once for each; ``"$rows"`` is short for ``["$row"]``, ``"$columns"`` are the
columns' names, and ``$$`` is a dollar sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, Literal

import msgspec

from reticent.errors import ConfigError, nearest
from reticent.targets.paths import Path, parse

BATCH = 64  # rows a request, where the template does not say
MOST_BYTES = 1 << 20  # of a template
KEY = "$key"
SECRETS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "cookie")
PARTS = ("label", "scores", "names", "value", "vector", "answered")


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an answer says what: paths, each to what stands there for one row.

    Attributes
    ----------
    label : the predicted class. scores : a probability for each class: a list in the order of the
        classes, an object by class name, or one number: of the second of two.
    names : the class names that the listed scores belong to, where their order changes.
    value : a regressor's prediction. vector : a list of numbers, an internal representation.
    answered : true or false: whether the row was answered at all.
    partial : scores are rounded, cut or of the highest classes only, so they need not sum to 1.
    """

    label: str | None = None
    scores: str | None = None
    names: str | None = None
    value: str | None = None
    vector: str | None = None
    answered: str | None = None
    partial: bool = False


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template as it is written.

    Attributes
    ----------
    path : below the address. method, headers : of each request; in a header ``$key`` is the key.
    body : of each request. row : how ``$row`` is written. batch : rows a request, at most.
    answer : where the answer says what. classes : their names, in the order of the scores.
    """

    body: Any
    answer: Told
    path: str = ""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = {}
    row: Literal["object", "list"] = "object"
    batch: int | None = None
    classes: tuple[str | int | float | bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was checked.

    Attributes
    ----------
    batch : rows a request. paths : part of an answer to where it stands.
    """

    request: Request
    batch: int
    paths: Mapping[str, Path]

    def headers(self, key: str | None) -> dict[str, str] | None:
        """The headers of each request; None: the usual ones.

        Raises
        ------
        ConfigError : a header wants the key, and there is none.
        """
        wanted = self.request.headers
        if any(KEY in value for value in wanted.values()):
            if key is None:
                raise ConfigError(
                    "the endpoint's key", "the template sends it in a header, and none is given",
                    "Set RETICENT_KEY, or name a file with --key-file",
                )  # fmt: skip
            return {name: value.replace(KEY, key) for name, value in wanted.items()}
        usual = {} if key is None else {"Authorization": f"Bearer {key}"}
        return {**usual, **wanted} if wanted else None

    def columns(self, known: Sequence[str]) -> list[str]:
        """The columns that it sends, of those the model may have.

        Raises
        ------
        ConfigError : it names a column that there is not.
        """
        named = set(_words(self.request.body))
        if named & {"$row", "$rows", "$columns"}:
            return list(known)
        cells = {word.removeprefix("$row.") for word in named if word.startswith("$row.")}
        return [name for name in known if name in cells]

    def check(self, known: Sequence[str]) -> None:
        """Check that every cell it names is of a column that there is.

        Raises
        ------
        ConfigError : one is not.
        """
        for word in _words(self.request.body):
            name = word.removeprefix("$row.")
            if name != word and name not in known:
                raise ConfigError(
                    f"{word!r} in the template",
                    f"the model has no such column{nearest(name, list(known))}",
                    f"Use one of: {', '.join(known)}",
                )  # fmt: skip

    def body(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
        """Write a request about n rows of cells."""
        told = [dict(zip(columns, row, strict=True)) for row in rows]
        return msgspec.json.encode(self._filled(self.request.body, list(columns), told))

    def _filled(self, part: Any, columns: list[str], rows: list[dict[str, Any]]) -> Any:
        if isinstance(part, dict):
            return {name: self._filled(one, columns, rows) for name, one in part.items()}
        if isinstance(part, list):
            if _repeated(part):
                return [self._about(part[0], columns, row) for row in rows]
            return [self._filled(one, columns, rows) for one in part]
        if part == "$rows":
            return [self._row(row) for row in rows]
        return self._about(part, columns, rows[0])

    def _about(self, part: Any, columns: list[str], row: dict[str, Any]) -> Any:
        """Write a part that is about one row."""
        if isinstance(part, dict):
            return {name: self._about(one, columns, row) for name, one in part.items()}
        if isinstance(part, list):
            return [self._about(one, columns, row) for one in part]
        if not isinstance(part, str) or not part.startswith("$"):
            return part
        if part == "$columns":
            return columns
        if part in ("$row", "$rows"):
            return self._row(row) if part == "$row" else [self._row(row)]
        return row[part[5:]] if part.startswith("$row.") else part[1:]

    def _row(self, row: dict[str, Any]) -> Any:
        return row if self.request.row == "object" else list(row.values())


def read_template(path: File) -> Template:
    """Read a template file.

    Raises
    ------
    ConfigError : no such file, not JSON, or it does not hold together; it says which part.
    """
    asked = f"the template {path}"
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES)
    except OSError as error:
        raise ConfigError(
            asked, error.strerror or type(error).__name__, "Name a file that can be read"
        ) from None
    try:
        read = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(asked, f"it is not JSON ({error})", "Mend it") from None
    return checked_template(read, asked)


def checked_template(read: Any, asked: str) -> Template:
    """Check what a template says.

    Raises
    ------
    ConfigError : it does not hold together; it says which part.
    """
    _check_names(read, Request, asked)
    _check_names(read.get("answer", {}), Told, f"{asked}, answer")
    try:
        request = msgspec.convert(read, Request)
    except msgspec.ValidationError as error:
        raise ConfigError(asked, str(error), "Mend that part") from None
    _check_headers(request.headers, asked)
    many = _check_body(request.body, asked)
    if request.batch is not None and (request.batch < 1 or (request.batch > 1 and not many)):
        raise ConfigError(
            f"{asked}, batch", f"it is {request.batch}, and the body holds one row at a time"
            if request.batch > 1 else "it is less than one row",
            'Repeat rows by a list of one entry: ["$row"]; or leave batch out',
        )  # fmt: skip
    batch = (request.batch or BATCH) if many else 1
    texts = {part: getattr(request.answer, part) for part in PARTS}
    paths = {part: parse(text, f"{asked}, answer.{part}")
             for part, text in texts.items() if text is not None}  # fmt: skip
    _check_answer(request, paths, batch, asked)
    return Template(request, batch, paths)


def _check_names(read: Any, kind: type[msgspec.Struct], where: str) -> None:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    if not isinstance(read, dict):
        raise ConfigError(where, "it is no object", f"Write one with: {', '.join(known)}")
    for name in read:
        if name not in known:
            raise ConfigError(
                f"{name!r} in {where}", f"there is no such name{nearest(name, known)}",
                f"Use one of: {', '.join(known)}",
            )  # fmt: skip


def _check_headers(headers: Mapping[str, str], asked: str) -> None:
    for name, value in headers.items():
        if name.lower() in SECRETS and KEY not in value:
            raise ConfigError(
                f"{asked}, header {name}", "a secret in a file ends up where it should not",
                'Write "$key" in its place, and give the key by RETICENT_KEY or --key-file',
            )  # fmt: skip
        if not (name + value).isascii() or not (name + value).isprintable():
            raise ConfigError(
                f"{asked}, header {name!r}", "it is not plain text", "Write it in ASCII"
            )


def _check_body(body: Any, asked: str) -> bool:
    """Say whether a request may hold several rows."""
    words = list(_words(body))
    for word in words:
        plain = word in ("$row", "$rows", "$columns") or word.startswith(("$row.", "$$"))
        if not plain:
            raise ConfigError(
                f"{word!r} in {asked}", "it stands for nothing", 'Use "$row", "$row.NAME", "$rows" '
                'or "$columns"; "$$" begins a text with a dollar sign',
            )  # fmt: skip
    if not any(word.startswith("$row") for word in words):
        raise ConfigError(f"{asked}, body", "no row stands in it", 'Write "$rows" where they go')
    single = list(_words(body, outside=True))
    return not any(word == "$row" or word.startswith("$row.") for word in single)


def _check_answer(request: Request, paths: Mapping[str, Path], batch: int, asked: str) -> None:
    told = request.answer
    if told.label is None and told.scores is None and told.value is None and told.vector is None:
        raise ConfigError(
            f"{asked}, answer", "it names neither label, scores, value nor vector",
            'Write at least one, such as: "scores": "predictions[].probabilities"',
        )  # fmt: skip
    if told.value is not None and (told.label is not None or told.scores is not None):
        raise ConfigError(
            f"{asked}, answer", "it names a value and a class", "A regressor has value alone"
        )
    if told.names is not None and told.scores is None:
        raise ConfigError(f"{asked}, answer.names", "there are no scores", "Name them too")
    for part, path in paths.items():
        if batch > 1 and not path.of_rows:
            raise ConfigError(
                f"{asked}, answer.{part} = {path.text!r}", "it does not say where the rows are",
                'Put [] behind their list; or "batch": 1 where there is one answer a request',
            )  # fmt: skip


def _repeated(part: list[Any]) -> bool:
    """Say whether a list is written once for each row."""
    if len(part) != 1:
        return False
    words = list(_words(part[0]))
    return any(word == "$row" or word.startswith("$row.") for word in words)


def _words(part: Any, outside: bool = False) -> Iterator[str]:
    """The words of a body that stand for something; outside: those in no repeated list."""
    if isinstance(part, dict):
        for one in part.values():
            yield from _words(one, outside)
    elif isinstance(part, list):
        if not (outside and _repeated(part)):
            for one in part:
                yield from _words(one, outside)
    elif isinstance(part, str) and part.startswith("$"):
        yield part

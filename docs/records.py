"""Records, functions and flags of the source as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

import msgspec
from meanings import MEANINGS

SECTION = re.compile(r"^(Attributes|Parameters|Returns|Raises)\n-+\n", re.MULTILINE)


# Words ----------------------------------------------------------------------------------------


def linked(text: str) -> str:
    """Turn DOIs, arXiv numbers and addresses into links."""
    text = re.sub(r"doi:(10\.\S+?)(?=[,;.)]*(\s|$))", r"[doi:\1](https://doi.org/\1)", text)
    text = re.sub(r"arXiv:(\d{4}\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"(?<![(<])(https://\S+?)(?=[,;.)]*(\s|$))", r"<\1>", text)


def plain(doc: str | None) -> str:
    """Bring a docstring to Markdown: double backticks to single ones, code to fences."""
    return linked(inspect.cleandoc(doc or "").replace("``", "`"))


def parts(doc: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring into its prose and its sections by heading."""
    pieces = SECTION.split(inspect.cleandoc(doc or ""))
    found = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    # What follows a section after an empty line is prose again.
    prose = [pieces[0].strip()]
    for name, section in list(found.items()):
        body, *after = re.split(r"\n\n(?=\S)", section, maxsplit=1)
        found[name] = body
        prose += after
    return "\n\n".join(prose), found


def described_names(section: str, names: Sequence[str]) -> dict[str, str]:
    """Read ``name, name : meaning. name : meaning`` lines: name to meaning."""
    name = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    starts = re.compile(rf"(?:(?<=\s)|^)((?:{name})(?:, (?:{name}|\.\.\.))*) : ")
    flat = re.sub(r"\s+", " ", section)
    pieces = starts.split(flat)
    found: dict[str, str] = {}
    for together, meaning in zip(pieces[1::2], pieces[2::2], strict=True):
        several = together.split(", ")
        found.update(zip(several, _each(meaning.strip(), len(several)), strict=True))
    return found


def _each(meaning: str, count: int) -> list[str]:
    """Share a meaning out: "one; other" to two names in turn, else the whole to each."""
    for mark in ("; ", ", "):
        cut = [part.removeprefix("and ").rstrip(".") for part in meaning.split(mark)]
        if len(cut) == count and all(part.count("(") == part.count(")") for part in cut):
            return [f"{part}." for part in cut]
    return [meaning] * count


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; a bar in a cell is written as such."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def page(title: str, *blocks: str) -> str:
    """Put a page together: a heading, a line that says where it came from, its blocks."""
    origin = "<!-- Written by docs/build.py from the source. Edit the source instead. -->"
    return "\n\n".join([f"# {title}", origin, *(b.strip() for b in blocks if b.strip())]) + "\n"


# Types and their fields -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its name, type and default as they are written."""

    name: str
    kind: str
    default: str


def fields_of(record: type) -> list[Field]:
    """Read the fields of a dataclass or a msgspec Struct."""
    kinds: dict[str, str] = {}
    for one in reversed(record.__mro__):
        kinds.update(
            {name: str(kind) for name, kind in vars(one).get("__annotations__", {}).items()}
        )
    if is_dataclass(record):
        given = [(f.name, f.default, f.default_factory) for f in fields(record)]
        none: Any = MISSING
    else:
        given = [(f.name, f.default, f.default_factory) for f in msgspec.structs.fields(record)]
        none = msgspec.NODEFAULT
    return [Field(n, kinds[n], _default(d, make, none)) for n, d, make in given]


def _default(value: Any, make: Any, none: Any) -> str:
    if value is not none:
        return f"`{_written(value)}`"
    return "required" if make is none else f"`{_written(make())}`"


def _written(value: Any) -> str:
    if callable(value):
        return str(value.__name__)
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}()"
    return repr(value)


def record(kind: type, level: int = 2) -> str:
    """Write one record: its prose, its fields as a table, what it raises, its methods."""
    prose, sections = parts(kind.__doc__)
    known = fields_of(kind)
    names = [one.name for one in known]
    meaning = described_names(sections.get("Attributes", ""), names)
    meaning = {**MEANINGS.get(kind.__name__, {}), **meaning}
    rows = [
        [f"`{f.name}`", f"`{f.kind}`", f.default, plain(meaning.get(f.name, ""))] for f in known
    ]
    if not any(row[3] for row in rows):
        rows = [row[:3] for row in rows]
    headings = ["field", "type", "default", "meaning"][: len(rows[0]) if rows else 0]
    blocks = [f"{'#' * level} {kind.__name__}", plain(prose)]
    blocks += [table(headings, rows)] if rows else []
    blocks += [f"Raises: {plain(sections['Raises'])}"] if "Raises" in sections else []
    blocks += methods(kind)
    return "\n\n".join(block for block in blocks if block)


def methods(kind: type) -> list[str]:
    """The public methods and properties that a type itself has, as one list."""
    lines = []
    for name, own in vars(kind).items():
        bare = own.__func__ if isinstance(own, classmethod | staticmethod) else own
        if name.startswith("_") or not (inspect.isfunction(bare) or isinstance(bare, property)):
            continue
        call = name if isinstance(bare, property) else f"{name}{_signature(bare)}"
        first = plain(parts(bare.__doc__)[0]).replace("\n", " ")
        lines.append(f"- `{call}`: {first}")
    return ["\n".join(lines)] if lines else []


def _signature(function: Callable[..., Any]) -> str:
    """The signature without self, annotations as they are written in the source."""
    found = inspect.signature(function)
    kept = [one for one in found.parameters.values() if one.name not in ("self", "cls")]
    return re.sub(r"'([^']*)'", r"\1", str(found.replace(parameters=kept)))


def function(called: Callable[..., Any], name: str, level: int = 2) -> str:
    """Write one function: its signature, prose and parameters."""
    prose, sections = parts(called.__doc__)
    names = list(inspect.signature(called).parameters)
    meaning = described_names(sections.get("Parameters", ""), names)
    blocks = [f"{'#' * level} {name}", f"```python\n{name}{_signature(called)}\n```", plain(prose)]
    if meaning:
        blocks.append(
            table(["parameter", "meaning"], [[f"`{n}`", plain(m)] for n, m in meaning.items()])
        )
    blocks += [
        f"{head}: {plain(sections[head])}" for head in ("Returns", "Raises") if head in sections
    ]
    return "\n\n".join(blocks)


def flags(kind: type) -> str:
    """Write a Flag with the comment that stands beside each member in the source."""
    rows = re.findall(r"^    ([A-Z_]+) = .*?#: (.*)$", inspect.getsource(kind), re.MULTILINE)
    return "\n\n".join([f"## {kind.__name__}", plain(kind.__doc__),
                        table(["flag", "meaning"], [[f"`{n}`", m] for n, m in rows])])  # fmt: skip

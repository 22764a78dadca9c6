"""``reticent init``: look at a model and a table and write a project file to be corrected."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import msgspec

from reticent.cli.loaded import MOST_VALUES, load_vouched
from reticent.cli.project import key, quoted
from reticent.cli.shown import common, trusting, writable
from reticent.column import Column, is_missing, is_numeric
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError, ModelError
from reticent.evidence import write
from reticent.files import read_people
from reticent.targets.load import RUNS_CODE, digest
from reticent.targets.onnx import input_names

SENSITIVE = re.compile(
    r"affair|alcohol|arrest|cancer|crim|diagnos|disab|disease|drug|ethnic|gender|genetic|genotype|"
    r"health|hiv|illness|income|marital|mental|nationality|orientation|political|pregnan|race|"
    r"relig|salary|sex|smok|union|wage",
    re.IGNORECASE,
)
PERSON = re.compile(r"(^|_)(id|person|patient|subject|user|respondent|customer)(_?id)?$", re.I)
BANDS = 6
MARK = "# guessed"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--others", type=click.Path(path_type=Path), help="People the model never saw.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reticent.toml"),
              show_default=True, help="The project file to write.")  # fmt: skip
@trusting
@common
def command(
    model: Path, data: Path, others: Path | None, out: Path, trust_pickle: str | None,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Look at MODEL and DATA (the people it was trained on) and write reticent.toml.

    Every guess is marked in the file. Nothing is overwritten.
    """
    if out.exists():
        raise ConfigError(
            f"the project file {out}", "it is there already", "Give another: --out NAME"
        )
    writable(out.parent)
    rows = read_people(data)
    if others is not None:
        _check_others(rows, others)
    wanted = _wanted(model, trust_pickle)
    text = project_text(model, data, others, rows, wanted, out.parent)
    write(out, text.encode())
    trust = ["--trust-pickle", digest(model)] if model.suffix in RUNS_CODE else []
    following = shlex.join(["reticent", "audit", str(out), *trust])
    guesses = text.count(MARK)
    if as_json:
        told = {"wrote": str(out), "guesses": guesses, "next": following}
        click.echo(msgspec.json.encode(told).decode())
    elif not quiet:
        click.echo(f"Wrote {out}: {guesses} guesses are marked, correct them first. Then:")
        click.echo(f"  {following}")
    return 0


def _check_others(rows: Dataset, others: Path) -> None:
    there = read_people(others).names
    if missing := [name for name in rows.names if name not in there]:
        raise DataError(
            f"the table {others}", f"it lacks the columns {', '.join(missing)}",
            "Give both tables the same columns, in any order",
        )  # fmt: skip


def _wanted(model: Path, trust_pickle: str | None) -> list[str] | None:
    """The columns that the model says it wants, or None where it does not say."""
    if model.suffix == ".onnx":
        return input_names(model)
    loaded: Any = load_vouched(model, trust_pickle)
    for name in ("feature_names_in_", "feature_name_", "feature_names", "feature_name"):
        found = getattr(loaded, name, None)
        names = found() if callable(found) else found
        if names is not None:
            return [str(name) for name in names]
    return None


def project_text(
    model: Path, data: Path, others: Path | None, rows: Dataset, wanted: list[str] | None,
    folder: Path,
) -> str:  # fmt: skip
    """Write the project file of a model and its people.

    Raises
    ------
    ModelError : the data lacks columns that the model names.
    """
    if lacking := [name for name in wanted or [] if name not in rows.names]:
        raise ModelError(
            "the model's columns", f"the data lacks {', '.join(lacking)}",
            "Give the table that it was trained on, under the names that it was given",
        )  # fmt: skip
    person = next((n for n in rows.names if PERSON.search(n) and n not in (wanted or [])), None)
    label = _label(rows, wanted, person)
    inputs = [name for name in rows.names if name not in (label, person)]
    left = [name for name in inputs if wanted is not None and name not in wanted]
    inputs = [name for name in inputs if name not in left]
    if not inputs:
        raise DataError(
            f"the table {data}", "it has no column beside the label",
            "Give the table that the model was trained on",
        )  # fmt: skip
    sensitive = [name for name in inputs if SENSITIVE.search(name)]
    why = "from its name" if sensitive else "no name tells, so the first column"
    sensitive = sensitive or inputs[:1]
    said = "the model does not take it" if wanted else "the last column"
    lines = ["[data]", f"members = {quoted(_beside(data, folder))}"]
    lines.append(f"others = {quoted(_beside(others, folder))}" if others else
                 '# others = "fresh.csv"  # people the model never saw: needed')  # fmt: skip
    if person:
        lines.append(f"person = {quoted(person)}  {MARK}: from its name")
    lines += ["", "[columns]", f'{key(label)} = "label"  {MARK}: {said}']
    lines += [f'{key(name)} = "sensitive"  {MARK}: {why}' for name in sensitive]
    lines += [f'{key(name)} = "identifier"  {MARK}: the model does not take it' for name in left]
    lines += ["", "[domains]  # read off the data: say public = true once anybody may know it"]
    lines += [domain_text(name, rows[name]) for name in sensitive]
    lines += ["", "[model]", f"path = {quoted(_beside(model, folder))}", ""]
    return "\n".join(lines)


def domain_text(name: str, column: Column) -> str:
    """Write what a column's values look like, as something that a person must confirm."""
    seen = column[~is_missing(column)]
    values = sorted(set(seen.tolist()), key=lambda value: (str(type(value)), value))
    if is_numeric(column) and len(values) > MOST_VALUES:
        bins = _round_edges(float(min(values)), float(max(values)))
        return f"{key(name)} = {{bins = {bins}, public = false}}  {MARK}"
    if len(values) > MOST_VALUES:  # a text that nearly everybody has their own of
        return f"# {key(name)} = {{values = [...], public = true}}  # {len(values)} texts: too many"
    told = [quoted(value) if isinstance(value, str) else str(value).lower() for value in values]
    return f"{key(name)} = {{values = [{', '.join(told)}], public = false}}  {MARK}"


def _round_edges(low: float, high: float) -> list[float]:
    """Even, rounded band edges around a range: the exact minimum is one person's value."""
    import math

    step = 10 ** math.floor(math.log10((high - low) / BANDS))
    width = next(step * m for m in (1, 2, 5, 10) if step * m * BANDS >= high - low)
    first = math.floor(low / width) * width
    count = math.ceil((high - first) / width + 1e-9)
    return [round(first + width * place, 10) for place in range(count + 1)]


def _label(rows: Dataset, wanted: list[str] | None, person: str | None) -> str:
    free = [n for n in rows.names if n != person and (wanted is None or n not in wanted)]
    if not free:
        raise ConfigError(
            "the label", "the model takes every column of the data",
            "Add the column that it predicts to the data",
        )  # fmt: skip
    return free[-1]


def _beside(path: Path, folder: Path) -> str:
    """Name a path as seen from the folder of the project file, where it lies inside it."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()

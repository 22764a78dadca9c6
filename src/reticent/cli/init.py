"""``reticent init``: look at a model and a table and write a project file to be corrected."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from reticent.cli.shown import trusting
from reticent.dataset import Column, Dataset, is_missing, is_numeric, read
from reticent.errors import ConfigError, UntrustedModelError
from reticent.evidence import write
from reticent.targets.load import RUNS_CODE, digest, load_estimator
from reticent.targets.onnx import input_names

SENSITIVE = re.compile(
    r"affair|alcohol|arrest|cancer|crim|diagnos|disab|disease|drug|ethnic|gender|genetic|genotype|"
    r"health|hiv|illness|income|marital|mental|nationality|orientation|political|pregnan|race|"
    r"relig|salary|sex|smok|union|wage",
    re.IGNORECASE,
)
PERSON = re.compile(r"(^|_)(id|person|patient|subject|user|respondent|customer)(_?id)?$", re.I)
MOST_VALUES = 20
BANDS = 6


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--others", type=click.Path(path_type=Path), help="People the model never saw.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reticent.toml"),
              show_default=True, help="The project file to write.")  # fmt: skip
@trusting
def command(
    model: Path, data: Path, others: Path | None, out: Path, trust_pickle: str | None
) -> int:
    """Look at MODEL and DATA (the people it was trained on) and write reticent.toml.

    Every guess is marked in the file. Nothing is overwritten.
    """
    if out.exists():
        raise ConfigError(
            f"the project file {out}", "it is there already", "Give another: --out NAME"
        )
    rows = read(data)
    wanted = _wanted(model, data, others, trust_pickle)
    text = project_text(model, data, others, rows, wanted, out.parent)
    write(out, text.encode())
    guesses = text.count("# guessed")
    click.echo(f"Wrote {out}: {guesses} guesses are marked, correct them first. Then:")
    trust = f" --trust-pickle {digest(model)}" if model.suffix in RUNS_CODE else ""
    click.echo(f"  reticent audit {out}{trust}")
    return 0


def _wanted(
    model: Path, data: Path, others: Path | None, trust_pickle: str | None
) -> list[str] | None:
    """The columns that the model says it wants, or None where it does not say."""
    if model.suffix == ".onnx":
        return input_names(model)
    try:
        loaded: Any = load_estimator(model, trust_pickle)
    except UntrustedModelError as error:
        if model.suffix not in RUNS_CODE or trust_pickle is not None:
            raise
        again = ["reticent", "init", str(model), str(data)]
        again += ["--others", str(others)] if others else []
        again += ["--trust-pickle", digest(model)]
        raise UntrustedModelError(
            error.asked, error.found, f"If you made this file, type: {shlex.join(again)}"
        ) from None
    names = getattr(loaded, "feature_names_in_", getattr(loaded, "feature_name_", None))
    return None if names is None else [str(name) for name in names]


def project_text(
    model: Path, data: Path, others: Path | None, rows: Dataset, wanted: list[str] | None,
    folder: Path,
) -> str:  # fmt: skip
    """Write the project file of a model and its people."""
    person = next((n for n in rows.names if PERSON.search(n) and n not in (wanted or [])), None)
    label = _label(rows, wanted, person)
    inputs = [name for name in rows.names if name not in (label, person)]
    left = [name for name in inputs if wanted is not None and name not in wanted]
    sensitive = [name for name in inputs if SENSITIVE.search(name) and name not in left]
    lines = ["[data]", f"members = {_quoted(_beside(data, folder))}"]
    lines.append(f"others = {_quoted(_beside(others, folder))}" if others else
                 '# others = "fresh.csv"  # people the model never saw: needed')  # fmt: skip
    if person:
        lines.append(f"person = {_quoted(person)}  # guessed from the name")
    lines += ["", "[columns]"]
    said = "the model does not take it" if wanted else "guessed: the last column"
    lines.append(f'{_key(label)} = "label"  # {"guessed: " if wanted else ""}{said}')
    for name in sensitive or inputs[:1]:
        why = "from the name" if sensitive else ": no name tells, so the first column"
        lines.append(f'{_key(name)} = "sensitive"  # guessed {why}'.replace(" : ", ": "))
    lines += [
        f'{_key(name)} = "identifier"  # guessed: the model does not take it' for name in left
    ]
    lines += ["", "[domains]  # read off the data: say public = true once anybody may know it"]
    lines += [domain_text(name, rows[name]) for name in sensitive or inputs[:1]]
    lines += ["", "[model]", f"path = {_quoted(_beside(model, folder))}", ""]
    return "\n".join(lines)


def domain_text(name: str, column: Column) -> str:
    """Write what a column's values look like, as something that a person must confirm."""
    seen = column[~is_missing(column)]
    values = sorted(set(seen.tolist()), key=lambda value: (str(type(value)), value))
    if is_numeric(column) and len(values) > MOST_VALUES:
        bins = _round_edges(float(min(values)), float(max(values)))
        return f"{_key(name)} = {{bins = {bins}, public = false}}"
    told = [_quoted(value) if isinstance(value, str) else str(value).lower() for value in values]
    return f"{_key(name)} = {{values = [{', '.join(told[:MOST_VALUES])}], public = false}}"


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


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)

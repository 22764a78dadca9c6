"""The demo's survey as a project of its own: tables, a model and a reticent.toml to go on with."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reticent.cli.project import STATE
from reticent.dataset import Dataset
from reticent.evidence import write

TABLES = ("train.csv", "fresh.csv", "public.csv")
FOREST = "forest.skops"
LIVE = "live"  # the folder of what the demo serves
GATEWAY = """
[gateway]                  # any free port; an answer does not wait for the disk
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
durability = "async"
"""
PROJECT = """\
# Fair's survey of married women (1974) and a default random forest, as `reticent demo` left them.

[data]
members = "train.csv"      # the people that the forest was trained on
others = "fresh.csv"       # people it never saw
auxiliary = "public.csv"   # people whose data an attacker holds

[columns]
{label} = "label"
{sensitive} = "sensitive"

[domains]
{sensitive} = {{values = [0, 1], public = true}}

[model]
path = "forest.skops"

[roles.clinic]             # sees the scores: audited, this role leaks
output = "scores"
decimals = 2
rows_per_minute = 60000

[roles.partner]            # sees labels, averaged over the sensitive column
output = "label"
marginalize = ["{sensitive}"]
rows_per_minute = 60000
"""


def write_project(
    parts: list[Dataset], model: Any, label: str, sensitive: str, folder: Path
) -> Path | None:
    """Write a project to be served and audited; None where skops is not installed.

    Parameters
    ----------
    parts : members, others and auxiliary people, each with the label.
    """
    if find_spec("skops") is None:
        return None
    from skops import io

    for rows, name in zip(parts, TABLES, strict=True):
        write(folder / name, rows.frame().to_csv(index=False).encode())
    write(folder / FOREST, io.dumps(model))
    path = folder / "reticent.toml"
    write(path, PROJECT.format(label=label, sensitive=sensitive).encode())
    return path


def live_project(project: Path) -> Path:
    """Write a project beside another one's tables and model, to be served without a past.

    Its state, keys and journal are its own, and those of an earlier run are removed.
    """
    folder = project.parent / LIVE
    shutil.rmtree(folder / STATE, ignore_errors=True)
    text = project.read_text("utf-8")
    for name in (*TABLES, FOREST):
        text = text.replace(f'"{name}"', f'"../{name}"')
    path = folder / project.name
    write(path, f"{text}{GATEWAY}".encode())
    return path

"""``reticent doctor``: what is installed, missing or wrongly permitted."""

from __future__ import annotations

import os
import stat
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click
import msgspec

Status = Literal["ok", "missing", "wrong"]
NOT_FOR_USERS = ("dev",)


class Symptom(msgspec.Struct, frozen=True):
    """One thing that was looked at: what, how it is, and what to do if it is not right."""

    what: str
    status: Status
    found: str
    do: str = ""
    required: bool = True


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--quiet", is_flag=True, help="The exit status alone.")
def command(as_json: bool, quiet: bool) -> int:
    """Look at the installation and this folder's state; exit status 1 if something is wrong.

    A missing extra is told with the line that installs it, and is not wrong.
    """
    seen = [*packages(), *state(Path.cwd()), machine()]
    for one in seen:
        if as_json:
            click.echo(msgspec.json.encode(one).decode())
        elif not quiet:
            advice = f"\n         {one.do}" if one.do else ""
            click.echo(f"{one.status:8} {one.what}: {one.found}{advice}")
    return 1 if any(one.required and one.status != "ok" for one in seen) else 0


def packages() -> list[Symptom]:
    """Look for every package that reticent or one of its extras asks for."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = [Symptom("Python", "ok", python), Symptom("reticent", "ok", version("reticent"))]
    missing: dict[str, list[str]] = {}
    for line in requires("reticent") or []:
        wanted, _, marker = line.partition(";")
        extra = marker.partition("==")[2].strip(" \"'")
        name = _name(wanted)
        if extra in NOT_FOR_USERS:
            continue
        here = _version(name)
        if extra and here is None:
            missing.setdefault(extra, []).append(name)
        elif not extra:
            fix = "" if here else f"pip install {name}"
            found.append(Symptom(name, "ok" if here else "missing", here or "not installed", fix))
    for extra in metadata("reticent").get_all("Provides-Extra") or []:
        if extra not in NOT_FOR_USERS:
            lacking = missing.get(extra)
            told = f"lacks {', '.join(lacking)}" if lacking else "complete"
            fix = f'pip install "reticent[{extra}]"' if lacking else ""
            found.append(
                Symptom(f"[{extra}]", "missing" if lacking else "ok", told, fix, required=False)
            )
    return found


def state(folder: Path) -> list[Symptom]:
    """Look at the secret and at whether results can be written."""
    found = []
    for name in ("secret", "signing.pem"):
        secret = folder / ".reticent" / name
        if secret.exists():
            mode = stat.S_IMODE(secret.stat().st_mode)
            wide = mode & 0o077
            fix = f"chmod 600 {secret}" if wide else ""
            found.append(Symptom(str(secret), "wrong" if wide else "ok", f"mode {mode:04o}", fix))
    writable = os.access(folder, os.W_OK)
    told = "can be written" if writable else "cannot be written"
    found.append(Symptom("this folder", "ok" if writable else "wrong", told))
    return found


def machine() -> Symptom:
    """Say how many cores and threads there are: boosting stalls when threads outnumber cores."""
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    frames = [name for name in ("pandas", "polars", "pyarrow") if find_spec(name)]
    told = (
        f"{os.cpu_count()} cores, OMP_NUM_THREADS {threads}, frames: {', '.join(frames) or 'none'}"
    )
    return Symptom("machine", "ok", told)


def _name(wanted: str) -> str:
    for place, letter in enumerate(wanted):
        if letter in "[<>=!~ ":
            return wanted[:place]
    return wanted


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

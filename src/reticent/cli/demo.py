"""``reticent demo``: the whole loop on a real survey that ships in an installed package."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from reticent.audit.case import Case
from reticent.audit.measure import Subject
from reticent.audit.options import Options
from reticent.audit.run import conclude_all, examine
from reticent.audit.selftest import self_test
from reticent.cli.audit import OUT, OUTPUTS, tell_evidence
from reticent.cli.digits import rebuilt
from reticent.cli.live import lacking, staged
from reticent.cli.sample import live_project, write_project
from reticent.cli.shown import common, console, progress, writable
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError, MissingExtraError
from reticent.evidence import Evidence, load, write
from reticent.exhibit import Exhibit
from reticent.randomness import subseed
from reticent.report.render import html
from reticent.schema import Domain

LABEL, SENSITIVE = "rate_marriage", "affairs"
ABOUT = """\
Fair's survey of 6,366 married women (Redbook, 1974), as statsmodels ships it. A random forest is
trained on a third of them to predict how each rates her marriage; another third is the attacker's,
the last third was never seen. The attacker knows every column but one: did she have an affair?
"""
WATCH = """
Watch it: {console}
Log in with: {key}
"""
NEXT = """
Next:
  {serve}
  reticent init model.onnx people.csv --others fresh.csv   (on your own model)
  reticent attacks show learned
"""
MARGINALIZED = Contract(output="scores", marginalize=(SENSITIVE,))
LABEL_ONLY = Contract(output="label")
DEFAULT = "default forest"
LOOK = 0.2


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True,
              help="Folder for report.html and evidence.json.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Everything random follows from it.")  # fmt: skip
@click.option("--stay", is_flag=True,
              help="Open the console before the attack and keep it until Ctrl-C.")  # fmt: skip
@common
def command(out: Path, seed: int, stay: bool, as_json: bool, quiet: bool) -> int:
    """Train a model on a real survey, recover what its people kept to themselves, defend it.

    The survey and the forest are left in DIR/project, to be served and audited.
    Five configurations, each attacked anew by an attacker who knows it. Then the forest is served
    and attacked over HTTP, until the end and past the alarm; --json and --quiet leave that out.
    A second model, which reads digits, is made to show what it was trained on.
    Exit status 0 when it completes, whatever it finds.
    """
    alone = quiet or as_json
    if stay and alone:
        raise ConfigError("--stay", "--json and --quiet leave out what there is to see",
                          "Leave one of them away")  # fmt: skip
    writable(out, *OUTPUTS)
    if not alone:
        click.echo(ABOUT)
    subjects: dict[str, Subject] = {}
    exhibits: list[Exhibit] = []
    with progress(quiet) as tell:
        parts = survey(seed)
        evidence = demonstrate(parts, Options(seed=seed, progress=tell), subjects)
        tell(0, 1, "rebuilding digits")
        digits = rebuilt(Options(seed=seed, exhibit=exhibits.append))
    tell_evidence(evidence, out, as_json, quiet, exhibits)
    case = case_of(parts, seed)
    left = write_project(parts, case.model, LABEL, SENSITIVE, out / "project")
    if not alone:
        click.echo(click.wrap_text(f"\n{digits}", console().width))
        show_live(left, case, subjects[SENSITIVE], out, seed, stay, exhibits)
        serve = 'pip install "reticent[serve]"' if left is None else f"reticent serve {left}"
        click.echo(NEXT.format(serve=serve), nl=False)
    return 0


def show_live(
    project: Path | None, case: Case, subject: Subject, out: Path, seed: int, stay: bool,
    exhibits: Sequence[Exhibit],
) -> None:  # fmt: skip
    """Serve the forest, attack it over HTTP, and tell when that was noticed, also in the report.

    Parameters
    ----------
    project : whose forest it is; None: it could not be written. stay : until Ctrl-C.
    exhibits : what the report shows besides.
    """
    missing = "skops" if project is None else lacking()
    if project is None or missing:
        click.echo(f"\nNot attacked live: {missing} is missing, which [serve] installs.")
        return
    with ExitStack() as up:
        with progress(quiet=False) as tell:
            tell(0, 1, "serving it")
            stage = up.enter_context(staged(live_project(project), case.prepared(), subject, seed))
        if stay:
            click.echo(WATCH.format(console=stage.console, key=stage.keys.keeper), nl=False)
        with progress(quiet=False) as tell:
            tell(0, 1, "attacking it live")
            caught = stage.attacked()
        click.echo(f"\n{caught.text()}")
        evidence, report = (out / name for name in OUTPUTS)
        write(report, html(load(evidence), caught, exhibits).encode())
        if stay:
            click.echo("\nThe gateway and its console are up until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                while True:  # Ctrl-C may reach a library's thread, and ends no endless wait of ours
                    time.sleep(LOOK)


def demonstrate(
    parts: list[Dataset], options: Options, subjects: dict[str, Subject] | None = None
) -> Evidence:
    """Attack the default forest, take the audit's advice, and attack what was defended.

    Parameters
    ----------
    subjects : takes what the people's own baseline is.
    """
    tested = self_test(replace(options, seed=0))
    subjects = {} if subjects is None else subjects
    first = examine(
        case_of(parts, options.seed).prepared(),
        {DEFAULT: None, "marginalized": MARGINALIZED, "label only": LABEL_ONLY},
        options,
        subjects,
    )
    leaf = int(first.advice[0].value or 1) if first.advice else 1
    advised = f"leaf size {leaf}"
    second = examine(
        case_of(parts, options.seed, min_samples_leaf=leaf).prepared(),
        {advised: None, f"{advised}, marginalized": MARGINALIZED},
        replace(options, advice=False),
        subjects,
    )
    order = [DEFAULT, advised, "marginalized", f"{advised}, marginalized", "label only"]
    return conclude_all([first, second], replace(options, self_test=tested), order)


def survey(seed: int) -> list[Dataset]:
    """Split the survey into members, others and auxiliary people, a third each.

    Raises
    ------
    MissingExtraError : statsmodels is not installed.
    """
    try:
        from statsmodels.datasets import fair
    except ImportError:
        raise MissingExtraError("the demo's survey", "statsmodels", "demo") from None
    table = fair.load_pandas().data
    table[SENSITIVE] = (table[SENSITIVE] > 0).astype(int)
    order = np.random.default_rng(subseed(seed, "demo")).permutation(len(table))
    rows = Dataset.of(table)
    third = len(rows) // 3
    return [rows.take(order[part * third : (part + 1) * third]) for part in range(3)]


def case_of(parts: list[Dataset], seed: int, **parameters: Any) -> Case:
    """Train a forest on the members and make it a case."""
    from sklearn.ensemble import RandomForestClassifier

    members, others, auxiliary = parts
    forest = RandomForestClassifier(random_state=seed, **parameters)
    forest.fit(members.without(LABEL).frame(), members[LABEL])
    domains = {SENSITIVE: Domain(values=(0, 1), public=True)}
    return Case(model=forest, members=members, others=others, auxiliary=auxiliary, label=LABEL,
                sensitive=SENSITIVE, domains=domains)  # fmt: skip

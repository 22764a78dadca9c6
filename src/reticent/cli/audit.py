"""``reticent audit``: attack a model, bare and as every role sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click
import msgspec

from reticent.access.secret import find_secret
from reticent.attacks import expanded
from reticent.audit.fits import Fits
from reticent.audit.live import quietly
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.audit.selftest import self_test
from reticent.cli.booked import Spending, accounted, booked, forecast, tell_forecast
from reticent.cli.endpoint import LIVE, key_of, live_target
from reticent.cli.loaded import load_case
from reticent.cli.project import Project, load_project
from reticent.cli.shown import common, console, progress, trusting, writable
from reticent.contract import Contract
from reticent.errors import ConfigError, MissingExtraError, nearest
from reticent.evidence import Evidence, SelfTest, save, write
from reticent.exhibit import Exhibit
from reticent.randomness import subkey
from reticent.report.render import html
from reticent.report.table import table

OUT = Path("reticent-out")
OUTPUTS = ("evidence.json", "report.html")


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.option("--role", help="Attack this role's view only.")
@click.option("--url", help="Attack this live endpoint; its key is in RETICENT_KEY.")
@click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE",
              help="A file with the endpoint's key, instead of RETICENT_KEY.")  # fmt: skip
@click.option("--attacks", help="Comma-separated names of attacks or of families; default: what "
              "the data calls for. See: reticent attacks list")  # fmt: skip
@click.option("--backend", help="Joblib backend that trains the shadow models: loky, ray, dask.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True,
              help="Folder for report.html and evidence.json.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Everything random follows from it.")  # fmt: skip
@click.option("--self-test", "with_self_test", is_flag=True,
              help="The instrument's known-answer test; alone it needs no project.")  # fmt: skip
@click.option("--no-canaries", is_flag=True, help="Do not retrain the model with coins.")
@click.option("--max-queries", type=click.IntRange(min=1), metavar="ROWS",
              help="Ask an endpoint no more rows than this; its answers are kept.")  # fmt: skip
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE",
              help="Record what an endpoint is asked: csv or parquet, for detect.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Ask an endpoint nothing; tell rows and price.")
@trusting
@common
def command(
    project: Path | None,
    role: str | None,
    url: str | None,
    key_file: Path | None,
    attacks: str | None,
    backend: str | None,
    out: Path,
    seed: int,
    with_self_test: bool,
    no_canaries: bool,
    max_queries: int | None,
    trace: Path | None,
    dry_run: bool,
    trust_pickle: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Attack the model of PROJECT (a reticent.toml) and write report.html and evidence.json.

    Every attack stands beside what the same attacker gets without the model, and beside the same
    attack on people that the model never saw. Exit status 1 means that a limit of [risk] is
    exceeded or that there is too little data to tell.

    With --url the endpoint is attacked in the model's place; --role says whose key it is, and the
    attacker's shadow models answer through that role's contract. Where the endpoint breaks off, the
    same command goes on from there.
    """
    names = listed(attacks)
    writable(out, *OUTPUTS)
    exhibits: list[Exhibit] = []
    with progress(quiet) as tell:
        options = Options(attacks=names, seed=seed, backend=known_backend(backend), progress=tell,
                          canaries=not no_canaries, exhibit=exhibits.append)  # fmt: skip
        expanded(names or ())  # a wrong name is told before anything is loaded
        if project is None and (url or not with_self_test):
            raise ConfigError(
                "a project", "none is named", "Name one: reticent audit reticent.toml"
            )
        plan = None if project is None else load_project(project)
        wanted = {} if plan is None else views(plan, role, url)
        key, spending = key_of(key_file), Spending(max_queries, trace, dry_run)
        if plan is None:
            tested = self_test(options)
        else:
            with booked(plan, url, key, spending) as place:
                case = load_case(plan, trust_pickle, place)
                options = replace(
                    options, risk=plan.tables.risk, noise_key=noise_key(plan),
                    self_test=self_test(options) if with_self_test else None,
                    fits=kept_fits(plan),
                )  # fmt: skip
                live = live_target(place, plan, case, role) if url and place is not None else None
                evidence = audit(case, wanted, quietly(options) if dry_run else options, live)
    if plan is None:
        return told_self_test(tested, as_json, quiet)
    price = plan.tables.model.price
    if dry_run and place is not None:
        return tell_forecast(forecast(place.book, price), max_queries, as_json)
    if place is not None:
        evidence = accounted(evidence, place.book, price)
    code = tell_evidence(evidence, out, as_json, quiet, exhibits)
    if place is not None and place.book.broken is not None:
        raise place.book.broken
    return code


def listed(attacks: str | None) -> list[str] | None:
    """Read a list of names with commas; None where it was not given."""
    if attacks is None:
        return None
    names = [name.strip() for name in attacks.split(",") if name.strip()]
    if not names:
        raise ConfigError("--attacks", "it names none", "See: reticent attacks list")
    return names


def known_backend(name: str | None) -> str | None:
    """Check that joblib knows a backend, registering Ray's."""
    if name is None:
        return None
    from joblib.parallel import BACKENDS, EXTERNAL_BACKENDS

    if name == "ray":
        try:
            import_module("ray.util.joblib").register_ray()
        except ImportError:
            raise MissingExtraError("--backend ray", "ray", "ray") from None
    known = sorted({*BACKENDS, *EXTERNAL_BACKENDS, "ray"})
    if name not in known:
        raise ConfigError(
            f"--backend {name}", f"joblib knows none of that name{nearest(name, known)}",
            f"Use one of: {', '.join(known)}",
        )  # fmt: skip
    return name


def views(project: Project, role: str | None, url: str | None = None) -> dict[str, Contract | None]:
    """The configurations to attack: one role's view, or the bare model and every role's.

    Of an endpoint there is one view, whatever its key's role.
    """
    roles = project.policy.roles
    if role is None:
        return {LIVE: None} if url else {BARE: None, **roles}
    if role not in roles:
        raise ConfigError(
            f"role {role!r}", f"the project has no such role{nearest(role, list(roles))}",
            f"Use one of: {', '.join(roles) or 'none is written yet; add [roles.NAME]'}",
        )  # fmt: skip
    return {role: roles[role]}


def noise_key(project: Project) -> bytes | None:
    """The key of the deployed noise, where there is a root secret; None: one from the seed."""
    secret = find_secret(project.state)
    return None if secret is None else subkey(secret, "noise")


def kept_fits(project: Project) -> Fits:
    """Where shadows are kept for the next audit: in memory only, where there is no root secret."""
    secret = find_secret(project.state)
    key = None if secret is None else subkey(secret, "fits")
    return Fits(project.state / "shadows", key)


def tell_evidence(
    evidence: Evidence, out: Path, as_json: bool, quiet: bool, exhibits: Sequence[Exhibit] = ()
) -> int:
    """Write both files, print the table or the JSON, and return the exit status."""
    path, evidence = save(evidence, out)
    write(out / "report.html", html(evidence, exhibits=exhibits).encode())
    if as_json:
        click.echo(evidence.to_json().decode())
    elif not quiet:
        screen = console()
        screen.print(table(evidence, screen.width))
        for note in evidence.notes:
            click.echo(click.wrap_text(f"Note: {note}", screen.width, subsequent_indent="  "))
        click.echo(f"\nReport: {out / 'report.html'}\nEvidence: {path}")
    return 0 if evidence.within_limits else 1


def told_self_test(tested: SelfTest, as_json: bool, quiet: bool) -> int:
    """Print the self-test and return the exit status."""
    if as_json:
        click.echo(msgspec.json.encode(tested).decode())
    elif not quiet:
        for check in tested.checks:
            mark = "pass" if check.passed else "FAIL"
            click.echo(f"{mark}  {check.name}: expected {check.expects}; {check.found}")
        verdict = "can" if tested.passed else "can NOT"
        click.echo(f"\nThis instrument, on this machine, today, {verdict} be trusted.")
    return 0 if tested.passed else 1

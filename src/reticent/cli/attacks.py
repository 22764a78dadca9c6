"""``reticent attacks``: list the attacks, or explain one."""

from __future__ import annotations

import textwrap

import click
import msgspec

from reticent.attacks import ATTACKS, families, family, named
from reticent.cli.shown import console

NEEDS = {  # beside what the target reveals
    "needs_label": "true label",
    "needs_classes": "a classifier",
    "needs_records": "recorded answers",
}


ASKED = "Run where they are asked for: reticent audit reticent.toml --attacks"
RUNS = {  # when an audit runs a family, in the order in which they are told
    "attribute": "Run by default where [columns] names a sensitive column.",
    "membership": f"{ASKED} membership.",
    "face": "Run by default where [data].members holds pictures (.npz).",
    "record": f"{ASKED} record.",
    "embedding": f"Run by default where the model exposes vectors; else {ASKED[10:]} embedding.",
    "linkage": "Run by default where [data].released names a table.",
}


@click.group()
def command() -> None:
    """List the attacks, or explain one: source, needs, cost, and what its silence proves."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_all(as_json: bool) -> None:
    """List every attack by its family: what it does, and what it costs."""
    if as_json:
        for name in ATTACKS:
            click.echo(msgspec.json.encode(described(name)).decode())
        return
    from rich.table import Table

    for one in ordered():
        table = Table(box=None, pad_edge=False)
        for heading in (one, "what it does", "cost in queries"):
            table.add_column(heading, overflow="fold", no_wrap=heading == one)
        for name in ATTACKS:
            if family(name) == one:
                about = described(name)
                table.add_row(name, about["title"], about["cost"])
        console().print(table)
        click.echo(click.wrap_text(f"\n{RUNS[one]}\n", console().width))


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(name: str, as_json: bool) -> None:
    """Explain one attack: NAME as in the list."""
    about = described(name)
    if as_json:
        click.echo(msgspec.json.encode(about).decode())
        return
    click.echo(f"{name}: {about['title']}\n")
    for heading, key in (
        ("Family", "family"), ("Source", "paper"), ("The attacker", "threat_model"),
        ("Needs", "needs"), ("Cost in queries", "cost"),
        ("What finding nothing does not prove", "null_result"),
    ):  # fmt: skip
        said = textwrap.fill(f"{heading}: {about[key]}", 88, subsequent_indent="  ",
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip
        click.echo(f"{said}\n")


def ordered() -> list[str]:
    """The families, those first that are told first."""
    return sorted(families(), key=list(RUNS).index)


def described(name: str) -> dict[str, str]:
    """Describe an attack in words.

    Returns
    -------
    name, family, title, paper, threat_model, needs, cost, null_result.
    """
    attack = named(name)
    needs = [flag.name.lower().replace("_", " ") for flag in attack.needs if flag.name]
    needs += [words for flag, words in NEEDS.items() if getattr(attack, flag, False)]
    return {
        "name": name,
        "family": family(name),
        "title": attack.title,
        "paper": attack.paper,
        "threat_model": attack.threat_model,
        "needs": ", ".join(needs) or "nothing",
        "cost": attack.cost,
        "null_result": attack.null_result,
    }

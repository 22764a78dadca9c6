"""``reticent attacks``: list the attacks, or explain one."""

from __future__ import annotations

import click
import msgspec

from reticent.attacks import ATTACKS, named
from reticent.cli.shown import console


@click.group()
def command() -> None:
    """List the attacks, or explain one: its source, what it needs, what its silence proves."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_all(as_json: bool) -> None:
    """List every attack with what it does and needs."""
    if as_json:
        for name in ATTACKS:
            click.echo(msgspec.json.encode(described(name)).decode())
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("attack", "what it does", "needs"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "attack")
    for name in ATTACKS:
        about = described(name)
        table.add_row(name, str(about["title"]), str(about["needs"]))
    console().print(table)


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
        ("Source", "paper"), ("The attacker", "threat_model"), ("Needs", "needs"),
        ("What finding nothing does not prove", "null_result"),
    ):  # fmt: skip
        click.echo(click.wrap_text(f"{heading}: {about[key]}", 88, subsequent_indent="  ") + "\n")


def described(name: str) -> dict[str, str]:
    """Describe an attack in words: name, title, paper, threat_model, needs, null_result."""
    attack = named(name)
    needs = [flag.name.lower().replace("_", " ") for flag in attack.needs if flag.name]
    needs += ["true label"] if attack.needs_label else []
    needs += ["a classifier"] if attack.needs_classes else []
    needs += ["recorded answers"] if attack.needs_records else []
    return {
        "name": name,
        "title": attack.title,
        "paper": attack.paper,
        "threat_model": attack.threat_model,
        "needs": ", ".join(needs),
        "null_result": attack.null_result,
    }

"""The reference pages, written from docstrings, type hints and the commands themselves.

Everything here depends on the source alone: not on a terminal's width, the machine or the day.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec
from meanings import MEANINGS, TABLES
from records import (
    described_names,
    fields_of,
    flags,
    function,
    linked,
    methods,
    page,
    parts,
    plain,
    record,
    table,
)

import reticent
from reticent import cli, errors, evidence, finding
from reticent.attacks import ATTACKS, named
from reticent.cli import project
from reticent.cli.attacks import described, ordered
from reticent.monitor.detectors import DETECTORS, detector_named
from reticent.monitor.simulate.run import BEHAVIORS

WIDTH = 88
NAMED = ("roles", "alerts")  # tables of tables
SOURCE = "../../../src/reticent"
DOCS = Path(__file__).resolve().parent
FAMILIES = {  # what each is after, and when it runs
    "attribute": "A hidden column of a person who is otherwise known. Runs where `[columns]` names "
    "a sensitive one.",
    "membership": "Whether a person was among those the model was trained on. Runs where it is "
    "asked for: `--attacks membership`.",
    "face": "What a class of images looks like. Runs where the inputs are images.",
    "record": "Whole rows of the training table. Runs where it is asked for: `--attacks record`.",
    "embedding": "The input behind an internal representation, or a column of it. Runs where the "
    "target reveals vectors.",
    "linkage": "Whose row one of a released table is. Runs where `[data].released` names one.",
}
PROMISES = {  # kind to where the page on detection says what it means
    "contract": "[contract](#the-contract-promise)",
    "session": "[session](#the-session-promise)",
    "limit": "[none](#declared-limits): a declared limit",
}


# Pages ----------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before what they hold."""
    waiting: list[tuple[str, click.Command]] = [("reticent", cli.group)]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command, help_option_names=["-h", "--help"])
            inner = [(f"{name} {sub}", command.get_command(context, sub))
                     for sub in command.list_commands(context)]  # fmt: skip
            waiting[:0] = [(sub, one) for sub, one in inner if one is not None]


def helped(name: str, command: click.Command) -> str:
    """The help of one command, at one width whatever the terminal."""
    context = click.Context(
        command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    return command.get_help(context)


def cli_page() -> str:
    """The help of every command."""
    intro = (
        "What each command prints for `--help`. Exit status, everywhere: **0** done and within "
        "limits; **1** done and not (a limit exceeded, or too little data to tell); **2** could "
        "not run, with one message on standard error: what was asked, what was found, what to do. "
        "Results go to standard output and progress to standard error; `NO_COLOR` is honored."
    )
    blocks = [f"## {name}\n\n```text\n{helped(name, one)}\n```" for name, one in commands()]
    return page("Command line", intro, *blocks)


def attack_page(name: str) -> str:
    """One attack: title, source, attacker, needs, how it works, what its silence proves."""
    attack, about = named(name), described(name)
    module = inspect.getmodule(type(attack))
    assert module is not None
    path = ATTACKS[name].partition(":")[0].replace(".", "/") + ".py"
    return page(
        f"Attack: {name}",
        f"{about['title'].capitalize()}.",
        table(["", ""], [
            ["Source", linked(about["paper"])],
            ["The attacker", about["threat_model"]],
            ["Family", _family(about["family"], "../../")],
            ["Needs", about["needs"]],
            ["Cost in queries", about["cost"]],
            ["What finding nothing does not prove", plain(about["null_result"])],
        ]),
        "## How it works",
        plain(module.__doc__),
        plain(type(attack).__doc__),
        *(plain(one.__doc__) for one in _steps(type(attack))),
        f"Code: [`attacks/{path}`]({SOURCE}/attacks/{path}). All attacks: [the list](index.md).",
    )  # fmt: skip


def _steps(kind: type) -> list[Any]:
    """What an attack does: its public functions, in their order."""
    return [one for name, one in vars(kind).items()
            if inspect.isfunction(one) and not name.startswith("_")]  # fmt: skip


def _family(name: str, up: str) -> str:
    """A family, and the page that explains it where there is one."""
    page = f"explanation/{name}.md"
    return f"[{name}]({up}{page})" if (DOCS / page).is_file() else name


def attacks_page() -> str:
    """The list of attacks, a table a family."""
    sections = [
        f"## {one.capitalize()}\n\n{FAMILIES[one]}\n\n" + table(
            ["attack", "what it does", "cost in queries", "needs"],
            [[f"[`{about['name']}`]({about['name']}.md)", about["title"], about["cost"],
              about["needs"]] for about in map(described, ATTACKS) if about["family"] == one],
        ) for one in ordered()
    ]  # fmt: skip
    return page(
        "Attacks",
        "An audit runs the families that the data calls for, or what `--attacks` names: attacks, "
        "or families. Beside each stands the same attacker without the model. An attack runs where "
        "the target reveals what it needs; elsewhere its finding says `not_applicable` and why. "
        "`reticent attacks list` and `reticent attacks show NAME` print the same.",
        *sections,
        "## The words",
        "Under *needs*: **label**, **scores**, **vector** (an internal representation), "
        "**gradient** and **structure** (tree leaves) are what an answer or the model reveals; "
        "**any row**: the attacker may ask rows of their choosing; **abstain**: the target "
        "sometimes refuses; **true label**: the attacker knows it; **recorded answers**: the "
        "answers to the people's own records were released.",
        "Under *cost*: rows that the attack would send to the target if it ran alone, about the "
        "people under attack. Attacks of one audit share what they ask: [what an audit of a live "
        "endpoint would cost](../../how-to/audit-a-live-endpoint.md#what-it-costs).",
        "Where the model can be trained again, an audit adds one more finding per column, named "
        "`canaries`: see [attribute canaries](../../explanation/canaries.md).",
    )


def behaviors_page() -> str:
    """What can be simulated."""
    kinds = {"Honest callers": False, "Attackers": True}
    tables = [
        table(["behavior", "what it does", ""], [
            [f"`{name}`", one.says, _remark(one.permission, one.hides)]
            for name, one in BEHAVIORS.items() if one.attack is attack
        ])
        for attack in kinds.values()
    ]  # fmt: skip
    sections = [f"## {kind}\n\n{rows}" for kind, rows in zip(kinds, tables, strict=True)]
    return page(
        "Behaviors",
        "What [`reticent simulate`](../how-to/simulate.md) plays; `reticent simulate --list` "
        "prints the same. Where a project lacks what one needs (a sensitive column, scores, a form "
        "or an image), it is left out, and that is said.",
        *sections,
    )


def detectors_table() -> str:
    """What each detector sees, what it does not, and what its alarms promise."""
    kinds = {name: detector_named(name) for name in DETECTORS}
    return table(["detector", "sees", "does not see", "promise", "source"], [
        [f"`{name}`", one.sees, one.blind, PROMISES[one.promise], linked(one.source)]
        for name, one in kinds.items()
    ])  # fmt: skip


def _remark(permission: str, hides: str) -> str:
    if permission:
        return f'permit = "{permission}"'
    return f"not detectable: {hides}" if hides else ""


def python_page() -> str:
    """The public names, and the types behind them."""
    public = {name: getattr(reticent, name) for name in reticent.__all__}
    first = [
        f"`reticent.{name}` ({'function' if inspect.isfunction(one) else 'class'})"
        for name, one in public.items()
    ]
    blocks = [
        f"The public face of the package is {', '.join(first)}. The other names on this page are "
        "imported from the module that stands beside them. The fields of `Evidence` and `Finding` "
        "are those of [evidence.json](evidence.md); `ReticentError` heads the [errors](errors.md).",
        function(reticent.audit, "reticent.audit"),
        *(_from(name) for name in PYTHON),
    ]
    return page("Python", *blocks)


PYTHON = (
    "audit.case:Case", "audit.options:Options", "contract:Contract", "contract:Abstain",
    "contract:Noise", "contract:Policy", "schema:Domain", "schema:Schema", "finding:Risk",
    "target:Target", "target:Answer", "target:Reveals", "target:Leaves", "attacks.attack:Attack",
    "attacks.attack:Guess", "attacks.known:Known", "attacks.known:Hidden", "attacks.known:Shadow",
    "evidence:load", "evidence:save", "report.render:html", "report.table:table",
    "audit.selftest:self_test",
)  # fmt: skip


def _from(place: str) -> str:
    module, _, name = place.partition(":")
    found = getattr(import_module(f"reticent.{module}"), name)
    source = f"From `reticent.{module}`."
    if name in reticent.__all__:
        source = f"`reticent.{name}`."
    if inspect.isfunction(found):
        text = function(found, name)
    elif place == "target:Reveals":
        text = flags(found)
    elif is_dataclass(found) or issubclass(found, msgspec.Struct):
        text = record(found)
    else:
        text = _protocol(found)
    heading, rest = text.split("\n\n", 1)
    return f"{heading}\n\n{source}\n\n{rest}"


def _protocol(kind: type) -> str:
    """Write a protocol: what it is, its attributes, its methods."""
    prose, sections = parts(kind.__doc__)
    names = [
        n for n in (*vars(kind).get("__annotations__", {}), *vars(kind)) if not n.startswith("_")
    ]
    meaning = described_names(sections.get("Attributes", ""), names)
    rows = [[f"`{name}`", plain(text)] for name, text in meaning.items()]
    return "\n\n".join([f"## {kind.__name__}", plain(prose),
                        table(["attribute", "meaning"], rows), *methods(kind)])  # fmt: skip


def evidence_page() -> str:
    """The fields of an evidence file."""
    intro = (
        f"`evidence.json` is one object of format `{evidence.FORMAT}`: the fields of `Evidence` "
        "below, in this order. Tuples are arrays, records are objects, None is null. It expires "
        f"{evidence.VALID_DAYS} days after it was created. No value of a person's record is in it. "
        "How to read it: [read evidence.json](../how-to/read-evidence.md)."
    )
    kinds = [
        evidence.Evidence, evidence.Subjects, evidence.Attacker, evidence.Configuration,
        finding.Finding, finding.Score, finding.Rate, finding.Subgroup, finding.Risk,
        evidence.Advice, evidence.Trial, evidence.NotRun, evidence.SelfTest, evidence.Check,
    ]  # fmt: skip
    return page("evidence.json", intro, *(record(kind) for kind in kinds))


def config_page() -> str:
    """The tables and keys of reticent.toml."""
    intro = (
        "Relative paths start from the folder of the file. An unknown key is an error that names "
        "the nearest known one. An audit reads `[data]`, `[attacker]`, `[columns]`, `[domains]`, "
        "`[model]`, `[risk]` and `[roles]`; the gateway reads the others too, and `reticent "
        "detect` also `[monitor]`. Keys that no command needs yet are checked and kept for what is "
        "[not in this version](../index.md#not-in-this-version)."
    )
    hints = get_type_hints(project.Tables)
    blocks = []
    for one in fields_of(project.Tables):
        inner = get_args(hints[one.name])
        kind = inner[1] if get_origin(hints[one.name]) is dict else (*inner, hints[one.name])[0]
        blocks.append(f"## [{one.name}.NAME]" if one.name in NAMED else f"## [{one.name}]")
        blocks.append(TABLES.get(one.name, ""))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            blocks += _keys(kind)
    return page("reticent.toml", intro, *blocks)


def _keys(kind: type, level: int = 3) -> list[str]:
    """The keys of one table, and of the tables inside it."""
    prose, sections = parts(kind.__doc__)
    known, hints = fields_of(kind), get_type_hints(kind)
    meaning = described_names(sections.get("Attributes", ""), [one.name for one in known])
    meaning = {**MEANINGS.get(kind.__name__, {}), **meaning}
    rows = [[f"`{one.name}`", _toml(hints[one.name]), _toml_default(one.default),
             plain(meaning.get(one.name, ""))] for one in known]  # fmt: skip
    found = [plain(prose), table(["key", "value", "default", "meaning"], rows)]
    for one in known:
        for inner in (hints[one.name], *get_args(hints[one.name])):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found += [f"{'#' * level} {one.name}", *_keys(inner, level + 1)]
    return found


def _toml(hint: Any) -> str:
    """Name a type as somebody who writes TOML would."""
    if get_origin(hint) is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_toml(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "inline table"
    if get_args(hint):
        kinds = [_toml(one) for one in get_args(hint) if one is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return "inline table"
    return {"str": "text", "bool": "true or false", "int": "whole number", "float": "number"}[
        hint.__name__
    ]


def _toml_default(default: str) -> str:
    if default.startswith("`("):
        default = f"`[{default[2:-2].rstrip(',')}]`"
    return {"`None`": "", "`True`": "`true`", "`False`": "`false`"}.get(
        default, default.replace("'", '"')
    )


def errors_page() -> str:
    """The exceptions."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")
    drawn = "\n".join(line.removeprefix("    ") for line in tree[1].splitlines())
    kinds = [one for one in vars(errors).values()
             if inspect.isclass(one) and issubclass(one, errors.ReticentError)]  # fmt: skip
    rows = [[f"`{one.__name__}`", plain(parts(one.__doc__)[0]).replace("\n", " ")] for one in kinds]
    return page(
        "Errors",
        tree[0],
        f"```text\n{drawn}\n```",
        "\n\n".join(tree[2:]),
        "On the command line such an error is one line on standard error, `reticent: ASKED: FOUND. "
        "DO`, and exit status 2. In Python it carries the three parts as `asked`, `found` and "
        "`do`. Anything else that is raised is a defect of this package, or was raised by your own "
        "code outside a model's answer.",
        table(["exception", "when"], rows),
    )


def pages() -> dict[str, str]:
    """Every generated page: its path below docs/ to its text."""
    found = {
        "reference/cli.md": cli_page(),
        "reference/python.md": python_page(),
        "reference/evidence.md": evidence_page(),
        "reference/config.md": config_page(),
        "reference/errors.md": errors_page(),
        "reference/attacks/index.md": attacks_page(),
        "reference/behaviors.md": behaviors_page(),
    }
    return {**found, **{f"reference/attacks/{name}.md": attack_page(name) for name in ATTACKS}}

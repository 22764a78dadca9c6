"""The project file ``reticent.toml``: what a user writes down once for every command."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from reticent.access.oidc import Oidc
from reticent.audit.options import BARE
from reticent.contract import RESERVED_ROLES, Contract, Policy
from reticent.errors import ConfigError, nearest
from reticent.finding import Risk
from reticent.monitor.alerts.settings import Sink, check
from reticent.monitor.settings import Monitor
from reticent.schema import Domain, Role

STATE = ".reticent"
NEEDED = {
    "data": 'members = "train.csv" and others = "fresh.csv"',
    "columns": 'NAME = "label" and NAME = "sensitive"',
    "model": 'path = "model.onnx"',
}
WORDS = {
    "object": "a table", "array": "a list", "str": "text", "int": "a whole number",
    "float": "a number", "bool": "true or false",
}  # fmt: skip


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[data]``: the tables, as paths beside the project file."""

    members: str
    others: str | None = None
    auxiliary: str | None = None
    person: str | None = None
    released: str | None = None
    score: str | None = None


class Attacker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[attacker]``: what they hold; by default every other column and the label."""

    knows: tuple[str, ...] | None = None
    label: bool = True


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[model].answers``: files of recorded answers, one row per person."""

    members: str
    others: str


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[model]``: a file, an endpoint or recorded answers, and what is said of them."""

    path: str | None = None
    url: str | None = None
    name: str | None = None
    sha256: str | None = None
    high_risk: bool = False
    purpose: str | None = None
    template: str | None = None
    price: float | None = None
    decoder: str | None = None
    answers: Answers | None = None


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[gateway]``: where the guarded model listens; an audit does not need it."""

    listen: str = "127.0.0.1:8080"
    admin_listen: str = "127.0.0.1:8081"
    trusted_proxies: tuple[str, ...] = ()
    rows_per_day: int | None = None
    durability: Literal["group", "async"] = "group"


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[console]``: the pages on the admin listener; an audit does not need it."""

    hosts: tuple[str, ...] = ()


class StorePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: where state lives, and for how long; an audit does not need it."""

    url: str | None = None
    retention_days: float | None = None


class Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, table by table."""

    data: Data
    columns: dict[str, Role]
    model: Model
    attacker: Attacker = Attacker()
    domains: dict[str, Domain] = {}
    risk: Risk = Risk()
    roles: dict[str, Contract] = {}
    gateway: Gateway = Gateway()
    store: StorePlace = StorePlace()
    oidc: Oidc | None = None
    alerts: dict[str, Sink] = {}
    monitor: Monitor = Monitor()
    console: Console = Console()


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read and checked, and the folder that its paths start from."""

    tables: Tables
    policy: Policy
    folder: Path

    def path(self, name: str) -> Path:
        """Resolve a path of the file against its folder."""
        return self.folder / name

    @property
    def state(self) -> Path:
        """The folder of the store, the root secret and the signing key."""
        return self.folder / STATE

    def having(self, role: Role) -> list[str]:
        """Name the columns of one role."""
        return [name for name, found in self.tables.columns.items() if found == role]

    @property
    def label(self) -> str:
        """The column that has the role ``label``.

        Raises
        ------
        ConfigError : none or several have it.
        """
        labels = self.having("label")
        if len(labels) != 1:
            raise ConfigError(
                "the label", f"[columns] gives {len(labels)} columns that role",
                'Write one line: NAME = "label"',
            )  # fmt: skip
        return labels[0]


def load_project(path: Path) -> Project:
    """Read a project file.

    Raises
    ------
    ConfigError : no such file, not TOML, an unknown key (the nearest known one is named), or a
        value that does not fit; it says in which table.
    """
    read = _toml(path)
    check_keys(read, Tables, "")
    for name, example in NEEDED.items():
        if name not in read:
            raise ConfigError(
                f"the table [{name}]", f"{path} has none", f"Add: [{name}] with {example}"
            )
    for kind, table in ((Domain, "domains"), (Contract, "roles"), (Sink, "alerts")):
        for name, one in _table(read, table).items():
            _fitted(one, kind, f"{table}.{key(name)}")
    if BARE in read.get("roles", {}):
        raise ConfigError(
            f"[roles.{BARE}]", "the name stands for the model itself", "Choose another name"
        )
    tables: Tables = _fitted(read, Tables, "")
    if tables.oidc is not None:
        tables.oidc.check_roles([*tables.roles, *RESERVED_ROLES])
    check(tables.alerts, list(tables.roles))
    return Project(tables, Policy(tables.roles), path.parent)


def _toml(path: Path) -> dict[str, Any]:
    asked = f"the project file {path}"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            asked, "there is no such file", "Write one: reticent init MODEL DATA"
        ) from None
    except OSError as error:
        raise ConfigError(
            asked, error.strerror or type(error).__name__, "Name a file that can be read"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(asked, f"it is not TOML ({error})", "Mend that line") from None
    except UnicodeDecodeError:
        raise ConfigError(asked, "it is not UTF-8 text", "Save it as UTF-8") from None


def _table(read: dict[str, Any], name: str) -> dict[str, Any]:
    found = read.get(name, {})
    return found if isinstance(found, dict) else {}


def _fitted(read: Any, kind: type[Any], where: str) -> Any:
    """Turn what was read into a record, or say in the file's own terms which value does not fit."""
    try:
        return msgspec.convert(read, kind)
    except ConfigError as error:
        asked = f"[{where}] {error.asked}" if where else error.asked
        raise ConfigError(asked, error.found, error.do) from None
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        place = f"{where}{place.rstrip('`')}".lstrip(".") or "the project file"
        if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
            found, do = f"it has no {missing[1]}", f"Add to [{place}]: {missing[1]} = ..."
        elif types := re.fullmatch(r"Expected `(.*)`, got `(.*)`", problem):
            found = f"it is {_in_words(types[2])}"
            do = f"Give {_in_words(types[1])}"
        else:
            found, do = problem, "Mend that line"
        raise ConfigError(place, found, do) from None


def _in_words(kinds: str) -> str:
    """Say in a user's words what msgspec calls a type."""
    return " or ".join(WORDS.get(kind, kind) for kind in kinds.split(" | ") if kind != "null")


def check_keys(read: dict[str, Any], struct: type[msgspec.Struct], where: str) -> None:
    """Refuse keys that a table does not have, naming the nearest that it has.

    Raises
    ------
    ConfigError : an unknown key.
    """
    hints = get_type_hints(struct)
    known = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
    for name, value in read.items():
        if name not in known:
            table = f"[{where}]" if where else "the project file"
            raise ConfigError(
                f"{name!r} in {table}", f"there is no such key{nearest(name, list(known))}",
                f"Use one of: {', '.join(known)}",
            )  # fmt: skip
        inside = f"{where}.{name}" if where else name
        _check_choice(value, known[name], inside)
        for kind in (known[name], *get_args(known[name])):
            if (
                isinstance(kind, type)
                and issubclass(kind, msgspec.Struct)
                and isinstance(value, dict)
            ):
                rows = value.items() if _is_mapping(known[name]) else [("", value)]
                for key, table_read in rows:
                    if isinstance(table_read, dict):
                        check_keys(table_read, kind, f"{inside}.{key}".rstrip("."))


def _check_choice(value: Any, kind: Any, where: str) -> None:
    """Refuse a word that is none of a key's, naming the nearest that is."""
    if _is_mapping(kind) and isinstance(value, dict):
        for name, one in value.items():
            _check_choice(one, get_args(kind)[1], f"{where}.{key(name)}")
    elif get_origin(kind) is tuple and isinstance(value, list):
        for one in value:
            _check_choice(one, get_args(kind)[0], where)
    elif get_origin(kind) is Literal and value not in get_args(kind):
        known = list(get_args(kind))
        raise ConfigError(
            where, f"{value!r} is none of its values{nearest(str(value), known)}",
            f"Use one of: {', '.join(known)}",
        )  # fmt: skip


def _is_mapping(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is dict


# Writing --------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Write a text as TOML does."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """Write a key as TOML does: bare where it may be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)

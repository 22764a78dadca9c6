"""The project file ``reticent.toml``: what a user writes down once for every command."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from reticent.contract import Contract, Policy
from reticent.errors import ConfigError, nearest
from reticent.finding import Risk
from reticent.schema import Domain, Role


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[data]``: the tables, as paths beside the project file."""

    members: str
    others: str | None = None
    auxiliary: str | None = None
    person: str | None = None
    released: str | None = None


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
    decoder: str | None = None
    answers: Answers | None = None


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[gateway]``: where the guarded model listens; an audit does not need it."""

    listen: str = "127.0.0.1:8080"
    admin_listen: str = "127.0.0.1:8081"
    trusted_proxies: tuple[str, ...] = ()
    rows_per_day: int | None = None
    durability: str = "group"


class StorePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: where state lives; an audit does not need it."""

    url: str | None = None


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


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read and checked, and the folder that its paths start from."""

    tables: Tables
    policy: Policy
    folder: Path

    def path(self, name: str) -> Path:
        """Resolve a path of the file against its folder."""
        return self.folder / name

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
        value that does not fit.
    """
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"the project file {path}",
            "there is no such file",
            "Write one: reticent init MODEL DATA",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the project file {path}", f"it is not TOML ({error})", "Mend it"
        ) from None
    check_keys(read, Tables, "")
    try:
        tables = msgspec.convert(read, Tables)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the project file {path}", str(error), "Mend that line") from None
    return Project(tables, Policy(tables.roles), path.parent)


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


def _is_mapping(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is dict

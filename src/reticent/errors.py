"""What can go wrong, and what to do about it.

    ReticentError            anything this package raises on purpose
    ├── ConfigError          a project file, a schema, an option
    ├── DataError            a table: a file, a column, a value
    ├── ModelError           a model that cannot be loaded or asked
    │   └── UntrustedModelError   a file that could run code when it is read
    ├── StoreError           state that cannot be read or written: whoever meets it refuses
    └── MissingExtraError    an optional dependency

Every message has three parts: what was asked, what was found, what to do.
No message holds a value of a person's record.
"""

from __future__ import annotations

from pathlib import Path


class ReticentError(Exception):
    """Something that the user can mend.

    Parameters
    ----------
    asked : what was wanted, in the user's terms.
    found : what was there instead (names and counts, never a record's values).
    do : the next step, as a command or a line to add where there is one.
    """

    def __init__(self, asked: str, found: str, do: str) -> None:
        super().__init__(f"{asked}: {found}. {do}")
        self.asked, self.found, self.do = asked, found, do

    def __reduce__(self) -> tuple[object, ...]:
        """Let an error travel between processes: its class's own ``__init__`` is not called."""
        return _again, (type(self), self.asked, self.found, self.do)


class ConfigError(ReticentError):
    """The project file, the schema or an option does not make sense."""


class DataError(ReticentError):
    """A table lacks what was asked of it."""


class ModelError(ReticentError):
    """A model cannot be loaded, cannot be asked or answers out of shape."""


class UntrustedModelError(ModelError):
    """The model file can run code when it is read, and nobody vouched for it."""


class StoreError(ReticentError):
    """Where state lives cannot be reached, is full, or holds what it should not."""


class MissingExtraError(ReticentError):
    """An optional dependency is not installed.

    Parameters
    ----------
    need : what needs the package.
    package : the import name that is missing.
    extra : the extra of reticent that brings it.
    """

    def __init__(self, need: str, package: str, extra: str) -> None:
        super().__init__(
            need,
            f"the package {package} is not installed",
            f'Install it with: pip install "reticent[{extra}]"',
        )


def _again(kind: type[ReticentError], asked: str, found: str, do: str) -> ReticentError:
    error = kind.__new__(kind)
    ReticentError.__init__(error, asked, found, do)
    return error


def kind_and_place(error: BaseException) -> str:
    """Name an exception's kind and the line it came from, never its text, which may quote a row."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = type(error).__name__
    if trace is None:
        return name
    return f"{name} at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def nearest(name: str, known: list[str]) -> str:
    """Name the known word nearest to a mistyped one: `` (did you mean 'x'?)`` or nothing."""
    from difflib import get_close_matches

    match = get_close_matches(name, known, n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""

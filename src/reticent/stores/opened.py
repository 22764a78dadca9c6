"""The store of one project: what ``[store] url`` names, or a file in its folder."""

from __future__ import annotations

from pathlib import Path

from reticent.errors import ConfigError, StoreError
from reticent.store import Store

FILE = "store.db"


def open_store(url: str | None, folder: Path) -> Store:
    """Return the store; it is reached at its first call.

    Parameters
    ----------
    url : ``postgresql://…``, or None: a SQLite file ``store.db`` in the folder.
    folder : made with mode 0700 where it is missing, the file with 0600.
    """
    if url is None:
        from reticent.stores.sqlite import Sqlite

        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {folder}", f"it cannot be made ({type(error).__name__})",
                "Check who may write there",
            ) from None  # fmt: skip
        return Sqlite(folder / FILE)
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "[store] url", f"{url.partition(':')[0]!r} is not a store known here",
            'Use url = "postgresql://…", or leave it out for a file',
        )  # fmt: skip
    from reticent.stores.postgres import Postgres

    return Postgres(url)

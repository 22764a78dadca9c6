"""A process that counts in one note; killed by the tests at any moment.

    python teller.py NAME TIMES FOLDER [URL]

Each time it adds one to the note ``total`` and to its own, in one transaction, and then prints a
line. Where another process was quicker it reads anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reticent.store import Note
from reticent.stores.opened import open_store

NAME, TIMES, FOLDER, *URL = sys.argv[1:]


def main() -> None:
    store, told = open_store(URL[0] if URL else None, Path(FOLDER)), 0
    while told < int(TIMES):
        notes = [store.note("count", key) for key in (b"total", NAME.encode())]
        new = [
            Note("count", key, b"%d" % (int(note.content) + 1), note.version)
            if note
            else Note("count", key, b"1")
            for key, note in zip((b"total", NAME.encode()), notes, strict=True)
        ]
        if store.write(new):
            told += 1
            sys.stdout.write(".\n")
            sys.stdout.flush()
    store.close()


main()

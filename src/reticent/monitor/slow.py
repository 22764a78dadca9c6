"""A sweep so slow that no trail remembers how it began: found in the index, which is durable.

A second value of a record that comes half an hour after the first, or later, is counted there.
Corrections and later visits do that for some records, a sweep for most.
"""

from __future__ import annotations

import numpy as np

from reticent.event import Alert
from reticent.monitor.index import REST, Account
from reticent.monitor.link import log_evidence

ALPHA = 0.01  # how often an honest caller is ever named
USUAL = 0.2  # share of an honest caller's records of which another value is asked so late


def evidence(account: Account) -> float:
    """The log e-value that an account comes back with other values more often than usual."""
    asked = sum(course.whole.asked for course in account.courses.values())
    late = min(account.late, asked)
    if not late:
        return 0.0
    return float(log_evidence(np.array([float(asked)]), np.array([float(late)]), USUAL)[0])


def stands_out(account: Account) -> bool:
    """Whether an account is to be named, which happens once."""
    return not account.told and evidence(account) >= -np.log(ALPHA)


def alert(caller: bytes, account: Account, at: float) -> Alert:
    """Say of an account that it sweeps slowly."""
    asked = sum(course.whole.asked for course in account.courses.values())
    return Alert(
        at=at, caller=caller, query=max(0, account.rows - 1), detector="sweep",
        reason=f"another sensitive value was asked of {account.late} of {asked} records,"
        f" {REST / 60:g} minutes or more after the first",
        promise=f"a caller of whose records at most {100 * USUAL:g} % are ever asked so again is"
        f" ever alarmed with probability at most {100 * ALPHA:g} %",
        evidence={"log10": evidence(account) / float(np.log(10)), "late": float(account.late),
                  "records": float(asked)},
        role=account.role, model=account.model, contract=account.contract, source=account.source,
    )  # fmt: skip

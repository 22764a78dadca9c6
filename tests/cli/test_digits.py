"""The demo's second model."""

from __future__ import annotations

import numpy as np

from reticent.audit.options import Options
from reticent.cli.digits import case_of, rebuilt
from reticent.exhibit import Exhibit, Picture


def test_digits_are_shown_beside_the_truth() -> None:
    shown: list[Exhibit] = []
    said = rebuilt(Options(seed=1, exhibit=shown.append))
    assert "recognized in what an attacker rebuilds from the model's weights" in said
    assert len(shown) == 2
    assert all("digits" in one.title for one in shown)
    for row in shown[0].rows:
        pictures = [cell for cell in row if isinstance(cell, Picture)]
        assert [one.pixels.shape for one in pictures] == [(8, 8)] * 3


def test_three_parts_share_no_digit() -> None:
    case = case_of(0)
    whole = [np.column_stack([rows[name] for name in rows.names])
             for rows in (case.members, case.others, case.auxiliary)]  # fmt: skip
    assert sum(map(len, whole)) == 1797

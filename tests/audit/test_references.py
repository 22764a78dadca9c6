"""References: pairs that share nobody, of the target's size, drawn without knowing who is in."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from people import memorizing, survey
from reticent.audit.case import Case, Prepared
from reticent.audit.references import pool_of, train_references
from reticent.audit.train import Trainer


def prepared(members: int, others: int, auxiliary: int = 200) -> Prepared:
    rows = survey(members, 1)
    return Case(
        model=memorizing(rows, trees=2), members=rows, others=survey(others, 2),
        auxiliary=survey(auxiliary, 3), label="y", sensitive=(),
    ).prepared()  # fmt: skip


@pytest.mark.parametrize(("others", "inside"), [(100, 100), (300, 100), (40, 70)])
def test_the_two_of_a_pair_share_nobody(others: int, inside: int) -> None:
    case = prepared(100, others)
    pool = pool_of(case)
    assert pool.member.sum() == 100
    models = train_references(case, pool, seed=0, count=3)
    assert len(models) == 4, "an odd number is rounded up to pairs"
    for first, second in (models[:2], models[2:]):
        assert not (first.inside & second.inside).any()
        assert first.inside.sum() == second.inside.sum() == inside
    both = np.array([one.inside for one in models])
    assert 0.2 < both[:, pool.member].mean() / both[:, ~pool.member].mean() < 5
    assert not np.array_equal(models[0].inside, models[2].inside)
    again = train_references(case, pool, seed=0, count=4)
    assert all(np.array_equal(a.inside, b.inside) for a, b in zip(models, again, strict=True))
    assert not np.array_equal(
        train_references(case, pool, seed=1, count=2)[0].inside, models[0].inside
    )


def test_auxiliary_people_fill_up_to_the_targets_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(train: object, jobs: list[tuple[object, int]], *rest: object) -> list[object]:
        sizes.extend(len(rows) for rows, _ in jobs)  # type: ignore[arg-type]
        return [None] * len(jobs)

    monkeypatch.setattr(import_module("reticent.audit.references"), "fit_all", counted)
    monkeypatch.setattr(Trainer, "wrapped", lambda *given: None)
    for others, auxiliary, size in ((100, 200, 100), (40, 200, 100), (40, 20, 90)):
        sizes.clear()
        case = prepared(100, others, auxiliary)
        train_references(case, pool_of(case), seed=0, count=2)
        assert sizes == [size, size]

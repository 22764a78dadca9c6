"""The instrument's known answers, and that a broken instrument fails them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reticent.attacks.attack import Guess
from reticent.attacks.attribute.imputation_likelihood import ImputationLikelihood
from reticent.attacks.attribute.label_likelihood import LabelLikelihood
from reticent.attacks.attribute.learned import Learned
from reticent.attacks.known import Known
from reticent.audit import score
from reticent.audit.options import Options
from reticent.audit.selftest import self_test
from reticent.target import Target


def test_it_passes_here_today() -> None:
    told: list[str] = []
    tested = self_test(Options(progress=lambda done, total, what: told.append(what)))
    assert tested.passed
    assert [check.expects for check in tested.checks] == ["leaks", "leaks", "no leak", "no leak"]
    assert len(told) == 4


def test_blind_attacks_fail_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: object, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        return Guess(known.imputed)

    for attack in (ImputationLikelihood, LabelLikelihood, Learned):
        monkeypatch.setattr(attack, "guess", blind)
    tested = self_test(Options())
    assert [check.passed for check in tested.checks] == [False, False, True, True]
    assert not tested.passed


@pytest.mark.slow
def test_an_instrument_that_always_cries_leak_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "_say", lambda *_: ("leaks", "always"))
    tested = self_test(replace(Options(), seed=0))
    assert [check.passed for check in tested.checks] == [True, True, False, False]

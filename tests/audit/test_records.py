"""Whole rows: a forest gives its training rows away; a model that never saw them does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import reticent
from reticent.evidence import Evidence
from reticent.finding import Finding

N, COLUMNS = 200, ["age", "area", "diet", "sleep"]


def people(seed: int, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.integers(0, 8, n).astype(float) for name in COLUMNS})
    return frame.assign(label=rng.integers(0, 5, n))


def forest(seed: int = 0, **more: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(50, random_state=seed, **more)


def attacked(model: Any, attack: str, members: pd.DataFrame | None = None, **more: Any) -> Evidence:
    case = reticent.Case(
        model=model, members=people(1) if members is None else members, others=people(2),
        auxiliary=people(3), label="label",
    )  # fmt: skip
    return reticent.audit(case, attacks=[attack], **more)


def trained(model: Any, rows: pd.DataFrame | None = None) -> Any:
    rows = people(1) if rows is None else rows
    return model.fit(rows[COLUMNS], rows["label"])


def value(found: Finding, side: str = "members") -> float:
    rate = getattr(found, side).auc.value
    assert rate is not None
    return float(rate)


class TestRowSearch:
    def test_a_forest_gives_its_training_rows_away(self) -> None:
        found = attacked(trained(forest()), "row_search").findings[0]
        assert found.hidden == "record"
        assert found.verdict == "leaks"
        assert value(found) > 0.75
        exact = found.members.more["exact"].value
        assert exact is not None
        assert exact > 0.6, "claims that are training rows to the last column"
        assert found.others is not None
        assert found.others.more["exact"].value == pytest.approx(0, abs=0.1)
        assert found.baseline_members.more["exact"].value == pytest.approx(0, abs=0.1)
        assert found.memorization is None, "the others are inside the test already"
        assert found.worst_rows

    def test_a_model_that_never_saw_these_people_does_not(self) -> None:
        for seed in (11, 12, 13):
            found = attacked(trained(forest(), people(seed)), "row_search").findings[0]
            assert found.verdict != "leaks"
            assert value(found) == pytest.approx(0.5, abs=0.15)

    def test_sides_that_were_shuffled_are_not_told_apart(self) -> None:
        both = pd.concat([people(1), people(2)], ignore_index=True)
        order = np.random.default_rng(0).permutation(2 * N)
        case = reticent.Case(
            model=trained(forest()), members=both.iloc[order[:N]], others=both.iloc[order[N:]],
            auxiliary=people(3), label="label",
        )  # fmt: skip
        found = reticent.audit(case, attacks=["row_search"]).findings[0]
        assert found.verdict != "leaks"
        assert value(found) == pytest.approx(0.5, abs=0.15)

    def test_constant_scores_give_nothing_away(self) -> None:
        from sklearn.dummy import DummyClassifier

        found = attacked(trained(DummyClassifier()), "row_search").findings[0]
        assert found.verdict != "leaks"
        assert value(found) == pytest.approx(0.5, abs=0.1)

    def test_through_rounding_and_not_through_labels(self) -> None:
        rounded = reticent.Contract(output="scores", decimals=1)
        found = attacked(trained(forest()), "row_search", contract=rounded).findings[0]
        assert found.verdict == "leaks"
        label = reticent.Contract(output="label")
        shut = attacked(trained(forest()), "row_search", contract=label).findings[0]
        assert shut.verdict == "not_applicable"
        assert "does not reveal SCORES" in shut.reason

    def test_a_model_with_one_peak_says_that_this_proves_nothing(self) -> None:
        from sklearn.linear_model import LogisticRegression

        found = attacked(trained(LogisticRegression()), "row_search").findings[0]
        assert found.verdict == "underpowered"
        assert "people" in found.reason
        assert found.queries > 0


class TestInformed:
    def test_a_naive_bayes_model_gives_every_row_away_and_nobody_else(self) -> None:
        from sklearn.naive_bayes import GaussianNB

        found = attacked(trained(GaussianNB()), "informed").findings[0]
        assert found.verdict == "leaks"
        assert value(found) > 0.99
        assert found.others is not None
        assert found.others.auc.value == pytest.approx(0.5, abs=0.08)
        assert found.members.more["exact"].value == pytest.approx(1.0)
        assert value(found, "baseline_members") == pytest.approx(0.5, abs=0.08)

    def test_a_model_trained_on_other_people_gives_no_row_away(self) -> None:
        from sklearn.naive_bayes import GaussianNB

        found = attacked(trained(GaussianNB(), people(11)), "informed").findings[0]
        assert found.verdict != "leaks"

    def test_behind_labels_the_parameters_are_closed(self) -> None:
        from sklearn.linear_model import LogisticRegression

        label = reticent.Contract(output="label")
        found = attacked(trained(LogisticRegression()), "informed", contract=label).findings[0]
        assert found.verdict == "not_applicable"
        assert "parameters are not open" in found.reason

    def test_behind_unrounded_scores_they_are_learned(self) -> None:
        from sklearn.linear_model import LogisticRegression

        scores = reticent.Contract(output="scores")
        exact = LogisticRegression(tol=1e-10, max_iter=1_000)
        found = attacked(trained(exact), "informed", contract=scores).findings[0]
        assert found.verdict == "leaks"
        assert found.queries == N


def test_the_same_seed_finds_the_same() -> None:
    both = [attacked(trained(forest()), "row_search", seed=3).findings for _ in range(2)]
    assert both[0] == both[1]


def test_a_regressor_has_no_label_to_be_sure_of() -> None:
    from sklearn.linear_model import Ridge

    found = attacked(trained(Ridge()), "record").findings
    assert {one.attack: one.verdict for one in found}["row_search"] == "not_applicable"
    assert {one.attack: one.verdict for one in found}["informed"] == "leaks"

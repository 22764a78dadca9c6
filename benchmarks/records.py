"""Whole training rows: how many are claimed rightly, and what stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.attacked import NONE, forest, pipeline, value
from benchmarks.people import AFFAIRS, GSS, People
from benchmarks.table import Table, spread

SEEDS = range(5)


def leafy(leaf: int) -> Callable[[int], Any]:
    """A forest whose leaves hold at least so many people."""
    from sklearn.ensemble import RandomForestClassifier

    return lambda seed: RandomForestClassifier(min_samples_leaf=leaf, random_state=seed)


def logistic(tol: float) -> Callable[[int], Any]:
    """A logistic regression on standardized columns, solved to a tolerance."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return lambda seed: make_pipeline(  # noqa: ARG005
        StandardScaler(), LogisticRegression(tol=tol, max_iter=1_000)
    )


def bayes(seed: int) -> Any:  # noqa: ARG001
    """Gaussian naive Bayes."""
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def search() -> Table:
    """Row search on two surveys: the model, its contract, its control."""
    import reticent

    ways = {
        "default forest": (forest, None, False),
        "default forest, two decimals": (forest, 2, False),
        "default forest, one decimal": (forest, 1, False),
        "forest, leaves of 5": (leafy(5), None, False),
        "forest, leaves of 20": (leafy(20), None, False),
        "control: forest of other people": (forest, None, True),
    }
    rows = []
    for people in (AFFAIRS, GSS):
        for says, (model, cut, control) in ways.items():
            contract = None if cut is None else reticent.Contract(output="scores", decimals=cut)
            found = [_search(people, seed, model, contract, control) for seed in SEEDS]
            rows.append(
                [people.name, says, *(spread(list(column)) for column in zip(*found, strict=True))]
            )
    head = ("people", "model", "claims exact: members", "others", "without the model",
            "AUC: nearer to a member", "without the model")  # fmt: skip
    note = (
        "Thirds; the attacker climbs from 300 public rows. *Exact*: the share of its claims that "
        "equal, in every column, the row of one of as many members or of others. *AUC*: how often "
        "a claim lies nearer to a member than to an other. *Without the model*: public rows, the "
        "commonest ones, or columns drawn one by one, whichever does best. Control: the same "
        "forest, trained on half of the others. Medians of 5 splits (range)."
    )
    return Table(head, rows, [note])


def _search(
    people: People, seed: int, model: Callable[[int], Any], contract: Any, control: bool
) -> tuple[float, ...]:
    import reticent

    members, auxiliary, others = people.thirds(seed)
    trained = others.iloc[: len(others) // 2] if control else members
    others = others.iloc[len(others) // 2 :] if control else others
    inputs = trained.drop(columns=people.label)
    fitted = pipeline(inputs, model(seed)).fit(inputs, trained[people.label])
    case = reticent.Case(model=fitted, members=members, others=others, auxiliary=auxiliary,
                         label=people.label)  # fmt: skip
    found = reticent.audit(case, contract, seed=seed, attacks=["row_search"]).findings[0]
    if found.others is None:
        return (NONE,) * 5
    sides = (found.members, found.others, found.baseline_members)
    exact = (value(one.more.get("exact")) for one in sides)
    return (*exact, value(found.members.auc), value(found.baseline_members.auc))


def informed() -> Table:
    """All rows but one known: what linear and naive Bayes models give away of the last."""
    import reticent

    scores = reticent.Contract(output="scores")
    coarse = reticent.Contract(output="scores", decimals=2)
    ways = [
        ("Gaussian naive Bayes", bayes, None, "the parameters"),
        ("logistic, tolerance 1e-10", logistic(1e-10), None, "the parameters"),
        ("logistic, scikit-learn's tolerance", logistic(1e-4), None, "the parameters"),
        ("logistic, tolerance 1e-10", logistic(1e-10), scores, "scores"),
        ("logistic, tolerance 1e-10", logistic(1e-10), coarse, "scores of two decimals"),
    ]
    rows = []
    for says, model, contract, sees in ways:
        found = []
        for seed in SEEDS:
            members, auxiliary, others = AFFAIRS.thirds(seed)
            inputs = members.drop(columns=AFFAIRS.label)
            fitted = model(seed).fit(inputs, members[AFFAIRS.label])
            case = reticent.Case(model=fitted, members=members, others=others,
                                 auxiliary=auxiliary, label=AFFAIRS.label)  # fmt: skip
            one = reticent.audit(case, contract, seed=seed, attacks=["informed"]).findings[0]
            found.append((value(one.members.more.get("exact")), value(one.members.accuracy),
                          value(one.baseline_members.accuracy), value(one.members.auc),
                          value(one.others.auc if one.others else None)))  # fmt: skip
        rows.append([says, sees, *(spread(list(column)) for column in zip(*found, strict=True))])
    head = ("model", "the attacker sees", "rows exact", "columns right", "without the model",
            "identification AUC", "people never in it")  # fmt: skip
    note = (
        "Fair's affairs survey, 2,122 members, 300 of them looked for one after the other; five "
        "classes. A number counts as right within a tenth of a standard deviation. Medians of 5 "
        "splits (range)."
    )
    return Table(head, rows, [note])

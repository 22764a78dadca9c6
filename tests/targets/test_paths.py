"""Ways through a JSON answer, and what is said where one leads nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import ConfigError
from reticent.targets.paths import EACH, LostError, Step, parse, written

ANSWER = {
    "predictions": [{"p": [0.1, 0.9], "a.b": {"label": "u"}}, {"p": [0.4, 0.6], "a.b": {}}],
    "rows": [[{"name": "u", "score": 0.2}, {"name": "v", "score": 0.8}]],
    "alone": [0.3, 0.7],
}


def found(text: str, n: int) -> list[object]:
    return parse(text, "a path").find(ANSWER, n)


def test_what_paths_lead_to() -> None:
    assert found("predictions[].p", 2) == [[0.1, 0.9], [0.4, 0.6]]
    assert found("predictions[].p[1]", 2) == [0.9, 0.6]
    assert found("rows[][].score", 1) == [[0.2, 0.8]]
    assert found('predictions[0]["a.b"].label', 1) == ["u"]
    assert found("alone", 1) == [[0.3, 0.7]]
    assert found("alone[]", 2) == [0.3, 0.7]
    assert parse("[]", "a path").find([1, 2], 2) == [1, 2]


LOST = [
    ("prediction[].p", 2, "the answer is an object of 3 names, which has no 'prediction'"),
    ("predictions[].q", 2, "predictions[0] is an object of 2 names, which has no 'q'"),
    ('predictions[]["a.b"].label', 2, "which has no 'label'"),
    ("predictions[].p", 3, "predictions has 2 entries for 3 rows"),
    ("alone[2]", 1, "alone is a list of 2, which has no entry 2"),
    ("alone.x", 1, "alone is a list of 2, which has no 'x'"),
    ("predictions[].p[][]", 2, "predictions[0].p[0] is a number, not a list"),
    ("predictions[0].p[]", 2, None),
    ("alone", 2, "names one answer where 2 rows were asked"),
    ("predictions[].p[0].x", 2, "predictions[0].p[0] is a number, which has no 'x'"),
]


@pytest.mark.parametrize(("text", "n", "says"), LOST)
def test_where_a_path_leads_nowhere_it_is_told_without_a_value(
    text: str, n: int, says: str | None
) -> None:
    if says is None:
        assert found(text, n) == [0.1, 0.9]
        return
    with pytest.raises(LostError) as raised:
        found(text, n)
    assert says in str(raised.value)
    assert "0.1" not in str(raised.value)
    assert "'u'" not in str(raised.value)


@pytest.mark.parametrize("text", ["a..b", "a[", "a[x]", "[]]", "a b", 'a["]', ".", "a."])
def test_a_path_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read from character"):
        parse(text, "answer.scores")


STEPS = st.lists(
    st.one_of(st.just(EACH), st.integers(-9, 9), st.text("ab.c[ ]é", min_size=1, max_size=5)),
    min_size=1, max_size=5,
)  # fmt: skip


@given(STEPS)
def test_what_is_written_is_read_again(steps: list[Step]) -> None:
    assert list(parse(written(steps), "a path").steps) == steps

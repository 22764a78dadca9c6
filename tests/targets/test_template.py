"""Endpoints that a template describes: what they are asked, and what is believed of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from people import Toy, guests, same
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError
from reticent.target import Answer, Reveals, Target
from reticent.targets.line import Line, address_of
from reticent.targets.remote import Remote
from reticent.targets.request import checked_template, read_template
from reticent.targets.template import Templated, _cells, templated
from served import Canned, Served, serving

ROWS = guests(40, seed=1)
COLUMNS = ["age", "dose", "city", "gene"]
LABELS = np.array(["u", "v", "w"], dtype=object)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "audit-a-live-endpoint.md"
PLAIN: dict[str, Any] = {
    "path": "/score",
    "body": {"instances": "$rows"},
    "answer": {"scores": "predictions[].probabilities", "label": "predictions[].label"},
}


class Scoring(Served):
    """A server of nobody's protocol: it tells what its ``says`` makes of rows and answers."""

    says: Callable[[Any, Answer], Any]
    reads: Callable[[Any], list[dict[str, Any]]]
    bodies: list[Any]

    def reply(self, path: str, key: str | None, body: bytes) -> Canned:
        self.seen.append((path, key))
        if self.canned:
            return self.canned.pop(0)
        read = json.loads(body)
        self.bodies.append(read)
        cells = self.reads(read)
        rows = Dataset({name: np.array([row[name] for row in cells], dtype=object)
                        for name in self.target.columns})  # fmt: skip
        self.asked.append(len(rows))
        if len(rows) > self.most:
            return 413, {}, b"too many"
        told = self.says(read, self.target.ask(rows))
        return 200, {}, json.dumps(told).encode()


def scoring(
    served: Served, says: Callable[[Any, Answer], Any],
    reads: Callable[[Any], list[dict[str, Any]]] = lambda read: read["instances"],
) -> Scoring:  # fmt: skip
    served.__class__ = Scoring
    assert isinstance(served, Scoring)
    served.says, served.reads, served.bodies = says, reads, []
    return served


def usual(_: Any, told: Answer) -> Any:
    assert told.label is not None
    assert told.scores is not None
    return {"predictions": [
        {"label": "uvw"[one], "probabilities": scores}
        for one, scores in zip(told.label.tolist(), told.scores.tolist(), strict=True)
    ]}  # fmt: skip


def made(served: Served, template: dict[str, Any], **given: Any) -> Templated:
    checked = checked_template(template, "the template")
    key = given.pop("key", None)
    line = Line(address_of(served.url), key, headers=checked.headers(key),
                sleep=lambda _: None, **given.pop("line", {}))  # fmt: skip
    return templated(line, checked, given.pop("columns", COLUMNS), LABELS, **given)


def whole(told: Answer) -> Answer:
    """What the toy says, without its vector."""
    return Answer(told.label, told.scores)


# What is asked ----------------------------------------------------------------------------------


def test_an_endpoint_answers_as_its_model_does() -> None:
    with serving(Toy(), {}) as served:
        server = scoring(served, usual)
        live = made(served, {**PLAIN, "batch": 16})
        assert isinstance(live, Target)
        assert isinstance(live, Remote)
        assert same(live.ask(ROWS), whole(Toy().ask(ROWS)))
        assert server.asked == [16, 16, 8]
        assert server.seen[0] == ("/score", None)
        assert server.bodies[0]["instances"][0] == {n: ROWS[n].tolist()[0] for n in COLUMNS}
        assert live.reveals == Reveals.ANY_ROW | Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES
        assert len(live.ask(ROWS.take(slice(0, 0)))) == 0


def by_columns(read: Any) -> list[dict[str, Any]]:
    return [dict(zip(read["columns"], row, strict=True)) for row in read["data"]]


def listed(read: Any) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row["features"], strict=True)) for row in read]


def renamed(read: Any) -> list[dict[str, Any]]:
    old = {"years": "age", "amount": "dose", "town": "city", "genotype": "gene"}
    return [{old[name]: cell for name, cell in one["who"].items()} for one in read["rows"]]


def alone(read: Any) -> list[dict[str, Any]]:
    return [read["patient"]]


BODIES: list[tuple[dict[str, Any], Callable[[Any], list[dict[str, Any]]], list[int]]] = [
    ({"body": {"columns": "$columns", "data": "$rows"}, "row": "list"}, by_columns, [5]),
    ({"body": [{"features": "$row", "cost": "$$5"}], "row": "list"}, listed, [5]),
    ({"body": {"rows": [{"who": {"years": "$row.age", "amount": "$row.dose",
                                 "town": "$row.city", "genotype": "$row.gene"}, "n": 1}]}},
     renamed, [5]),
    ({"body": {"patient": "$row"}}, alone, [1] * 5),
    ({"body": {"instances": ["$row"]}, "batch": 2}, lambda read: read["instances"], [2, 2, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reads", "asked"), BODIES)
def test_bodies_of_many_kinds(
    change: dict[str, Any], reads: Callable[[Any], list[dict[str, Any]]], asked: list[int]
) -> None:
    rows = ROWS.take(slice(0, 5))
    with serving(Toy(), {}) as served:
        server = scoring(served, usual, reads)
        assert same(made(served, {**PLAIN, **change}).ask(rows), whole(Toy().ask(rows)))
        assert server.asked == asked
        if isinstance(server.bodies[0], list):
            assert server.bodies[0][0]["cost"] == "$5"


def test_only_the_columns_that_stand_in_the_body_are_sent() -> None:
    template = {**PLAIN, "body": {"ages": ["$row.age"]},
                "answer": {"value": "values[]"}}  # fmt: skip
    with serving(Toy(), {}) as served:
        live = made(served, template)
        served.canned.append((200, {}, b'{"values": [1.5, 2]}'))
        told = live.ask(ROWS.take(slice(0, 2)))
    assert live.columns == ["age"]
    assert live.ignores == {"dose", "city", "gene"}
    assert live.classes is None
    assert told.value is not None
    assert told.value.tolist() == [1.5, 2]


def test_a_gap_is_null() -> None:
    template = checked_template({**PLAIN, "row": "list"}, "the template")
    rows = Dataset({"a": np.array([np.nan, 2.0]), "b": np.array([None, "x"], dtype=object),
                    "c": np.array([True, False])})  # fmt: skip
    live = templated(Line(address_of("http://h")), template, ["a", "b", "c"], LABELS)
    body = live.template.body(live.columns, _cells(rows))
    assert json.loads(body) == {"instances": [[None, None, True], [2.0, "x", False]]}


def test_the_key_goes_where_the_template_says() -> None:
    with serving(Toy(), {}) as served:
        server = scoring(served, usual)
        live = made(served, {**PLAIN, "headers": {"Authorization": "Token $key"}}, key="s3cret")
        live.ask(ROWS)
        assert server.seen[-1][1] == "Token s3cret"
        made(served, {**PLAIN, "headers": {"X-Client": "audit"}}, key="s3cret").ask(ROWS)
        assert server.seen[-1][1] == "Bearer s3cret"
        assert "s3cret" not in repr(live)
        with pytest.raises(ConfigError, match="none is given"):
            made(served, {**PLAIN, "headers": {"X-Api-Key": "$key"}})


def test_too_many_rows_are_halved_and_a_busy_endpoint_is_waited_for() -> None:
    rows = ROWS.take(slice(0, 8))
    with serving(Toy(), {}, most=3) as served:
        server = scoring(served, usual)
        live = made(served, PLAIN, line={"repeats": 3})
        assert same(live.ask(rows), whole(Toy().ask(rows)))
        assert server.asked == [8, 4, 2, 2, 4, 2, 2]
        later = {"Retry-After": "2"}
        server.canned += [(429, later, b"")] * 3 + [(500, {}, b""), (502, {}, b""), (0, {}, b"")]
        assert len(live.ask(rows.take(slice(0, 1)))) == 1
    assert made(served, PLAIN, rows_per_minute=2).batch == 2


# What is believed -------------------------------------------------------------------------------


def predictions(*rows: Any) -> Any:
    return {"predictions": list(rows)}


READ: list[tuple[dict[str, Any], Any, list[list[float]]]] = [
    ({"scores": "predictions[]"}, predictions([0.2, 0.3, 0.5]), [[0.2, 0.3, 0.5]]),
    ({"scores": "predictions[]"}, predictions({"w": 0.5, "u": 0.2, "v": 0.3}), [[0.2, 0.3, 0.5]]),
    ({"scores": "[][].score", "names": "[][].label"},
     [[{"label": "w", "score": 0.7}, {"label": "u", "score": 0.2}, {"label": "v", "score": 0.1}]],
     [[0.2, 0.1, 0.7]]),
    ({"scores": "[][].score", "names": "[][].label", "partial": True},
     [[{"label": "w", "score": 0.7}]], [[0, 0, 0.7]]),
    ({"scores": "predictions[]", "partial": True}, predictions([0, 0, 0.5]), [[0, 0, 0.5]]),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "body", "scores"), READ)
def test_scores_are_read_in_the_order_of_the_classes(
    answer: dict[str, Any], body: Any, scores: list[list[float]]
) -> None:
    told = asked({**PLAIN, "answer": answer}, body)
    assert told.scores is not None
    assert told.scores.tolist() == scores
    assert told.label is not None
    assert told.label.tolist() == [2]


def asked(template: dict[str, Any], body: Any, n: int = 1) -> Answer:
    """Ask about n rows an endpoint that answers with this."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with serving(Toy(), {}) as served:
        live = made(served, template)
        served.canned.append((200, {}, raw))
        return live.ask(ROWS.take(slice(0, n)))


def test_one_number_is_the_share_of_the_second_of_two_classes() -> None:
    template = {**PLAIN, "classes": ["u", "v"], "answer": {"scores": "[].p"}}
    told = asked(template, [{"p": 0.25}, {"p": 1}], 2)
    assert told.scores is not None
    assert told.scores.tolist() == [[0.75, 0.25], [0, 1]]


def test_classes_are_named_as_the_data_names_them() -> None:
    template = {**PLAIN, "classes": ["3", "5"], "answer": {"label": "[]"}}
    with serving(Toy(), {}) as served:
        line = Line(address_of(served.url))
        live = templated(line, checked_template(template, "t"), COLUMNS, np.array([5, 3, 3]))
        assert live.classes is not None
        assert live.classes.tolist() == [3, 5]
        served.canned.append((200, {}, b"[5.0]"))
        told = live.ask(ROWS.take(slice(0, 1)))
    assert told.label is not None
    assert told.label.tolist() == [1]
    with pytest.raises(ConfigError, match="there is one"):
        templated(line, checked_template(template | {"classes": ["3"]}, "t"), COLUMNS, LABELS)


def test_vectors_and_refusals() -> None:
    template = {**PLAIN, "answer": {
        "vector": "[].v", "answered": "[].ok", "label": "[].y", "scores": "[].p"}}  # fmt: skip
    body = [{"v": [1, 2], "ok": True, "y": "v", "p": [0, 1, 0]},
            {"v": None, "ok": False, "y": "w", "p": None}]  # fmt: skip
    told = asked(template, body, 2)
    assert told.vector is not None
    assert told.vector[0].tolist() == [1, 2]
    assert np.isnan(told.vector[1]).all()
    assert told.scores is not None
    assert np.isnan(told.scores[1]).all()
    assert told.label is not None
    assert told.label.tolist() == [1, -1]
    assert told.answered is not None
    assert told.answered.tolist() == [True, False]
    with serving(Toy(), {}) as served:
        live = made(served, template)
    assert live.reveals & Reveals.VECTOR
    assert live.reveals & Reveals.ABSTAIN


RIGHT = {"label": "u", "probabilities": [0.2, 0.3, 0.5]}
LIES: list[tuple[Any, str]] = [
    (b"<!DOCTYPE html><p>Zanzibar", "it is HTML, not JSON"),
    (b'{"predictions": [NaN]}', "it is not JSON"),
    (b"", "it is not JSON"),
    ({"error": "Zanzibar"}, "the answer is an object of 1 name, which has no 'predictions'"),
    (predictions(RIGHT, RIGHT), "predictions has 2 entries for 1 rows"),
    (predictions({"label": "u"}), r"predictions\[0\] is an object of 1 name"),
    (predictions(RIGHT | {"label": "Zanzibar"}), "a class that is none of the data's"),
    (predictions(RIGHT | {"label": None}), "a class that is none of the data's"),
    (predictions(RIGHT | {"probabilities": [0.2, 0.8]}), "rows of shape"),
    (predictions(RIGHT | {"probabilities": [0.2, 0.8, "Zanzibar"]}), "something that is no number"),
    (predictions(RIGHT | {"probabilities": [0.2, 0.8, None]}), "something that is no number"),
    (predictions(RIGHT | {"probabilities": [0.2, 0.8, [0.1]]}), "rows of different lengths"),
    (predictions(RIGHT | {"probabilities": [0.2, 0.8, 10**400]}), "rows of different lengths"),
    (predictions(RIGHT | {"probabilities": [2.0, 5.0, -1.0]}), "numbers that are no probabilities"),
    (predictions(RIGHT | {"probabilities": [0.9, 0.9, 0.1]}), "numbers that are no probabilities"),
    (predictions(RIGHT | {"probabilities": {"u": 0.2, "v": 0.8}}), "2 classes of 3"),
    (predictions(RIGHT | {"probabilities": {"u": 0.2, "Zanzibar": 0.8}}), "a class that is none"),
    (predictions(RIGHT | {"probabilities": True}), "something that is no number"),
]


@pytest.mark.parametrize(("body", "found"), LIES)
def test_an_endpoint_that_lies_is_told_without_a_value(body: Any, found: str) -> None:
    with pytest.raises(ModelError, match=found) as raised:
        asked(PLAIN, body)
    assert "Zanzibar" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "found"),
    [(400, "Compare the body"), (401, "does not know the key"), (404, "path in the template"),
     (405, "Correct the method"), (301, "sends elsewhere"), (500, "it failed"),
     (422, "Compare the body"), (418, "it failed")],
)  # fmt: skip
def test_a_refusal_is_told_in_our_words(status: int, found: str) -> None:
    with serving(Toy(), {}) as served:
        live = made(served, PLAIN)
        served.canned.append((status, {"Location": "http://elsewhere"}, b"Xanthippe, 41"))
        with pytest.raises(ModelError, match=found) as raised:
            live.ask(ROWS)
    assert "Xanthippe" not in str(raised.value)


def test_numbers_of_several_kinds_are_refused() -> None:
    with pytest.raises(ModelError, match="rows of shape"):
        asked({**PLAIN, "answer": {"value": "[]"}}, [[1]])
    with pytest.raises(ModelError, match="neither true nor false"):
        asked({**PLAIN, "answer": {"label": "[]", "answered": "[]"}}, ["u"])
    paired = {**PLAIN, "answer": {"scores": "[].p", "names": "[].n"}}
    with pytest.raises(ModelError, match="another number of names"):
        asked(paired, [{"p": [0.5, 0.5], "n": ["u"]}])
    with pytest.raises(ModelError, match="no list beside"):
        asked(paired, [{"p": [0.5, 0.5], "n": "uv"}])


# What a template may say ------------------------------------------------------------------------

WRONG: list[tuple[Any, str]] = [
    ([], "it is no object"),
    ({"answer": {"label": "[]"}}, "required field `body`"),
    (PLAIN | {"bodi": 1}, "did you mean 'body'"),
    (PLAIN | {"answer": {"score": "[]"}}, "did you mean 'scores'"),
    (PLAIN | {"answer": []}, "it is no object"),
    (PLAIN | {"answer": {}}, "names neither label, scores"),
    (PLAIN | {"answer": {"label": "[]", "value": "[]"}}, "a value and a class"),
    (PLAIN | {"answer": {"label": "[]", "names": "[]"}}, "there are no scores"),
    (PLAIN | {"answer": {"label": "a["}}, "cannot be read from character 2"),
    (PLAIN | {"answer": {"label": "label"}}, "does not say where the rows are"),
    (PLAIN | {"body": {"a": "$row"}, "batch": 5}, "holds one row at a time"),
    (PLAIN | {"batch": 0}, "less than one row"),
    (PLAIN | {"body": {"a": 5}}, "no row stands in it"),
    (PLAIN | {"body": {"a": "$raw"}}, "it stands for nothing"),
    (PLAIN | {"body": {"a": ["$row.agee"]}}, "did you mean 'age'"),
    (PLAIN | {"headers": {"Authorization": "Bearer abc"}}, "a secret in a file"),
    (PLAIN | {"headers": {"X": "a\nb"}}, "not plain text"),
    (PLAIN | {"method": "GET"}, "Invalid enum value"),
]


@pytest.mark.parametrize(("template", "found"), WRONG)
def test_a_template_that_does_not_hold_together(template: Any, found: str) -> None:
    with pytest.raises(ConfigError, match=found) as raised:
        templated(Line(address_of("http://h")), checked_template(template, "t"), COLUMNS, LABELS)
    assert "abc" not in str(raised.value)


@pytest.mark.skipif(not PAGE.is_file(), reason="there are no docs beside")
def test_the_template_of_the_docs_is_one() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert checked_template(json.loads(block), "the docs").batch == 64


def test_a_template_file(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    with pytest.raises(ConfigError, match="No such file"):
        read_template(path)
    path.write_text("{'body': 1}")
    with pytest.raises(ConfigError, match="it is not JSON"):
        read_template(path)
    path.write_bytes(b'"\xff"')
    with pytest.raises(ConfigError, match="it is not JSON"):
        read_template(path)
    path.write_text(json.dumps(PLAIN))
    assert read_template(path).batch == 64

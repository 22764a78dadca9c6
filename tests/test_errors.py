"""Errors: three parts in every message, and the line that mends it."""

from __future__ import annotations

import pytest

from reticent.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    ModelError,
    ReticentError,
    UntrustedModelError,
    nearest,
)


@pytest.mark.parametrize(
    "kind", [ConfigError, DataError, ModelError, UntrustedModelError, ReticentError]
)
def test_a_message_has_three_parts(kind: type[ReticentError]) -> None:
    error = kind("the model", "there is no such file", "Check the path")
    assert str(error) == "the model: there is no such file. Check the path"
    assert (error.asked, error.found, error.do) == (
        "the model",
        "there is no such file",
        "Check the path",
    )
    assert isinstance(error, ReticentError)


def test_an_untrusted_model_is_a_model_error() -> None:
    assert issubclass(UntrustedModelError, ModelError)


def test_a_missing_extra_names_the_line_that_installs_it() -> None:
    error = MissingExtraError("the model m.onnx", "onnxruntime", "serve")
    assert "onnxruntime" in str(error)
    assert 'pip install "reticent[serve]"' in str(error)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("afairs", " (did you mean 'affairs'?)"),
        ("affairs", " (did you mean 'affairs'?)"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_nearest_names_a_known_word_or_nothing(typed: str, said: str) -> None:
    assert nearest(typed, ["affairs", "age"]) == said


def test_nearest_of_no_words_is_nothing() -> None:
    assert nearest("age", []) == ""


def test_errors_travel_between_processes() -> None:
    import pickle

    for error in (DataError("a", "b", "c"), MissingExtraError("the model", "onnx", "serve")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.asked, again.found, again.do) == (error.asked, error.found, error.do)

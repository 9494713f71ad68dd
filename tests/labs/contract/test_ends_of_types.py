"""Numbers at the ends of their types, half characters, endless texts: a sentence or a value, no traceback."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract import Experiment, ParamError
from labs.contract.registry import Registry
from minimind_core.errors import LONGEST_SENTENCE, ConfigError
from pages.ui.words import errors

EXPERIMENTS = {experiment.id: experiment for experiment in Registry.discover()}
NESTED: list[Any] = []
for _ in range(100_000):
    NESTED = [NESTED]
ENDS = (
    *(
        "inf",
        "-inf",
        "nan",
        "1e308",
        "-1e308",
        "1e400",
        "1e-400",
        "5e-324",
        "--1",
        "+-1",
        "",
        " ",
        "1_0",
        "٣",
    ),
    *("0x10", "9" * 400, "9" * 5000, "-" + "9" * 5000, "0" * 5000, "1." + "0" * 5000, "9007199254740993"),
    *(math.inf, -math.inf, math.nan, 1e308, 5e-324, -0.0, 10**400, 10**5000, -(10**5000), 2**63, 2**64),
    *(None, True, b"1", [], {}, NESTED, "x" * 250_000, "a\x00b", "\udcff", "\ud83d", "![a](//evil.example)"),
)


def ask(experiment: Experiment, asked: dict[str, Any]) -> None:
    """Parameters that fit, or one short sentence in both languages; the address bar never fails."""
    try:
        params = experiment.params.from_dict(asked)
    except ConfigError as error:
        assert isinstance(error, ParamError)
        for language in ("en", "zh"):
            sentence = errors.translated(error, language)
            assert 0 < len(sentence) <= LONGEST_SENTENCE and "\x00" not in sentence, sentence
    else:
        assert experiment.params.from_dict(params.to_dict()) == params
        for device in ("cpu", "cuda"):
            assert 0 <= experiment.seconds(params, device) < math.inf
    usable, words = experiment.params.clamp(asked)
    assert experiment.params.from_dict(usable.to_dict()) == usable
    assert all(len(word.sentence) <= LONGEST_SENTENCE for word in words)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_field_of_every_experiment_takes_or_refuses_the_ends(name: str) -> None:
    for spec in EXPERIMENTS[name].params.specs():
        for value in ENDS:
            ask(EXPERIMENTS[name], {spec.name: value})


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(name for name in EXPERIMENTS if EXPERIMENTS[name].params.specs())), st.data())
def test_several_fields_at_once(name: str, data: st.DataObject) -> None:
    names = [spec.name for spec in EXPERIMENTS[name].params.specs()]
    values = st.one_of(
        st.sampled_from(ENDS), st.integers(), st.floats(), st.text(st.characters(), max_size=20)
    )
    ask(EXPERIMENTS[name], data.draw(st.dictionaries(st.sampled_from(names), values, max_size=4)))


NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 1e308, 1e-308, 10**390, 1e9, 1e-6, 5e-324, math.inf, math.nan, None, True]),
    st.floats(1e-6, 1e9),
    st.floats(),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["yarn", "linear", "ntk", "pi"]),
    st.dictionaries(
        st.sampled_from(
            ["factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "attention_factor"]
        ),
        NUMBERS,
    ),
    st.sampled_from([1.0000000000000002, 1.5, 1e4, 1e8]),
)
def test_a_dictionary_of_rope_is_refused_or_drawn(kind: str, fields: dict[str, Any], base: float) -> None:
    experiment = EXPERIMENTS["q07/spectrum"]
    custom = json.dumps({"type": kind, **fields})[:400]
    try:
        params = experiment.params.from_dict({"custom": custom, "base": base})
    except ParamError as error:
        assert str(error)
        return
    formula = experiment.formula(params)
    assert formula is not None
    assert all(math.isfinite(value) for values in formula["multipliers"].values() for value in values)
    words = lambda key, **values: key  # noqa: E731
    assert experiment.show(experiment.complete(params, formula), words).figures


def test_a_whole_number_is_read_exactly() -> None:
    spec = next(spec for spec in EXPERIMENTS["q07/lengths"].params.specs() if spec.name == "seed")
    assert spec.parse("9007199254740993") == 9007199254740993


def test_half_a_character_is_named_by_its_place() -> None:
    with pytest.raises(ParamError, match="prompt holds half a character at place 3; delete it") as error:
        EXPERIMENTS["q13/next_token"].params.from_dict({"prompt": "ab\ud83d"})
    assert "第 3 个字符只有一半" in errors.translated(error.value, "zh")

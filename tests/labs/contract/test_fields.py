"""Parameters: what is accepted, what is refused with which sentence, what is clamped."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract import ParamError, Params, choice, order, real, switch, text, whole


@dataclass(frozen=True)
class Sample(Params):
    temperature: float = real(0.8, 0, 3, step=0.05, label="t", sentence="Negative temperature is bad.")
    top_p: float = real(0.9, 0, 1, above_minimum=True, step=0.01, label="p")
    count: int = whole(4, 1, 10, label="n")
    kind: str = choice("gqa", ("mha", "gqa"), label="k")
    bits: int = choice(8, (4, 8), label="b")
    causal: bool = switch(True, label="c")
    prompt: str = text("hi", max_length=5, label="x", view=True)
    steps: str = order("a", "b", "c", label="s")


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"temperature": -1}, "Negative temperature is bad."),
        ({"top_p": 0}, "top_p must be above 0, not 0."),
        ({"count": 11}, "count must be at most 10, not 11."),
        ({"count": 2.5}, "count must be a whole number, not 2.5."),
        ({"count": True}, "count must be a whole number, not True."),
        ({"count": "many"}, "count must be a whole number, not 'many'."),
        ({"temperature": "nan"}, "temperature must be a number, not 'nan'."),
        ({"kind": "mqa"}, "kind must be one of mha, gqa, not 'mqa'."),
        ({"steps": "a,b"}, "steps must name each of a, b, c once, not 'a,b'."),
        ({"steps": "a,b,b"}, "steps must name each of a, b, c once, not 'a,b,b'."),
        ({"steps": 3}, "steps must name each of a, b, c once, not 3."),
        ({"causal": "perhaps"}, "causal must be true or false, not 'perhaps'."),
        ({"prompt": "longer"}, "prompt has 6 characters; the most is 5."),
        ({"prompt": 3}, "prompt must be text, not 3."),
        ({"prompt": "a\ud83d"}, "prompt holds half a character at place 2; delete it or write it again."),
        ({"temprature": 1}, "Unknown setting 'temprature'; did you mean 'temperature'?"),
    ],
)
def test_bad_values_get_one_sentence(given_: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParamError) as caught:
        Sample.from_dict(given_)
    assert str(caught.value) == sentence
    assert caught.value.field in given_


def test_text_forms_are_read_in_the_field_type() -> None:
    read = Sample.from_dict(
        {"temperature": "0.7", "count": "3", "bits": "4", "causal": "no", "prompt": "嗨", "steps": "c, a ,b"}
    )
    assert read == Sample(temperature=0.7, count=3, bits=4, causal=False, prompt="嗨", steps="c,a,b")
    assert Sample.from_dict(read.to_dict()) == read


def test_the_constructor_checks_too() -> None:
    with pytest.raises(ParamError):
        Sample(temperature=-0.1)


def test_clamp_moves_to_the_nearest_and_says_so() -> None:
    given_ = {"temperature": "9", "top_p": "0", "kind": "mqa", "prompt": "longer", "x": "1"}
    params, words = Sample.clamp(given_)
    assert params == Sample(temperature=3.0, top_p=0.01, kind="gqa", prompt="longe")
    assert [word.field for word in words] == ["temperature", "top_p", "kind", "prompt", "x"]
    assert words[0].sentence == "temperature 9 is above 3: 3 is used."


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("01.-einfa", max_size=8))


@given(st.dictionaries(st.sampled_from([*Sample().to_dict(), "other"]), _VALUES))
def test_clamp_never_raises_and_gives_valid_parameters(data: dict[str, object]) -> None:
    params, words = Sample.clamp(data)
    assert Sample.from_dict(params.to_dict()) == params
    assert all(word.field in data and word.sentence.endswith(".") for word in words)
    told = {word.field for word in words}
    kept = {name: value for name, value in data.items() if name not in told}
    assert Sample.from_dict(kept).to_dict().items() >= {name: getattr(params, name) for name in kept}.items()


def test_view_fields_are_not_measured() -> None:
    assert "prompt" not in Sample(prompt="x").measured()
    assert Sample(prompt="x").changes() == {"prompt": "x"}

"""Draws the parameters of an experiment as widgets, from the same field specs that check a run.

Each widget stands in the address under `<question>_<field>`, so that a link carries the state. What
an address asks for beyond a field's limits is moved to the nearest allowed value, and said. So is what
somebody types into a number box: the box keeps it, and below it stands what is used instead.

The content of a file stays out of it. Streamlit's own binding writes an option's visible text into the
address, and a text of any length. Choices that have words of their own are put there by hand, so that a link
means the same in both languages, and so are texts, unless no address could hold them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

import streamlit as st

from labs.contract import Field, ParamError, Params
from labs.contract.fields import Choice, Number, Order, Switch, Text
from labs.contract.filling import readable
from labs.contract.shapes import Shape, Shapes, read_shapes, write_shapes
from minimind_core.errors import shortened
from pages.ui import streamlit_inside
from pages.ui.lab import blank_boxes, button_row, own_file
from pages.ui.lab.sortable import sortable
from pages.ui.site import too_long
from pages.ui.words.i18n import catalogue, current_language, t

_LONGEST_SLIDER = 1000
"""Steps that a slider can still be set to by hand; a longer field gets a number box."""
_LONGEST_ASKED = 40
_LONGEST_IN_ADDRESS = 2000
"""Bytes of one text: servers refuse an address of many thousands, and messengers cut it."""
_ONE_LINE = 2000
"""Characters; a field for more has many lines, which a paste keeps."""
_LINES_HEIGHT = 110


def key(question: str, field: str) -> str:
    """The widget key of a field, which is its name in the address as well."""
    return f"{question}_{field}"


def spec_of(params: type[Params], field: str) -> Field:
    """What `field` accepts."""
    return next(spec for spec in params.specs() if spec.name == field)


def label_of(spec: Field) -> str:
    """What a field is called, with its unit."""
    label = t(spec.label)
    return t("controls.with_unit", label=label, unit=t(f"unit.{spec.unit}")) if spec.unit else label


def values(params: type[Params], question: str) -> dict[str, Any]:
    """What the widgets say now; of a field without a widget yet, what its widget will say first."""
    return {spec.name: _value(params, spec, key(question, spec.name)) for spec in params.specs()}


def _value(params: type[Params], spec: Field, name: str) -> Any:
    if name in st.session_state:
        return _allowed(spec, st.session_state[name])
    asked = st.query_params.get(name)
    if asked is not None:
        return getattr(params.clamp({spec.name: asked})[0], spec.name)
    return st.session_state.get(f"{name}.kept", spec.default)


def _allowed(spec: Field, value: Any) -> Any:
    """The value, or for a number beyond its limits the nearest one within."""
    if not isinstance(spec, Number) or value is None:
        return spec.default if value is None else value
    try:
        spec.check(value)
    except ParamError:
        return spec.nearest(value)
    return value


def put(question: str, field: str, value: Any) -> None:
    """Set a widget from a callback, to a value that its field allows."""
    name = key(question, field)
    st.session_state[name] = st.session_state[f"{name}.kept"] = value  # kept: the next run may not draw it
    st.session_state[f"{name}.put"] = True


def begin_in_the_own_language(params: type[Params], question: str) -> None:
    """A language that is new on the page brings its own first texts; what was typed stays."""
    language = current_language()
    if st.session_state.get(f"{question}.language") == language:
        return
    st.session_state[f"{question}.language"] = language
    for spec in params.specs():
        if isinstance(spec, Text) and language in spec.openings:
            untouched = {spec.default, *spec.openings.values()}
            if _value(params, spec, key(question, spec.name)) in untouched:
                put(question, spec.name, spec.openings[language])


def control(
    params: type[Params],
    field: str,
    question: str,
    *,
    off: Collection[str] = (),
    judged: blank_boxes.Judged = blank_boxes.NOT_YET,
) -> Any:
    """One widget with its label and unit; returns its value.

    `off` are steps of an order that do nothing now; `judged` is what is said of boxes that are filled in.
    """
    spec = spec_of(params, field)
    name = key(question, field)
    label = label_of(spec)
    worded = any(word_of(spec, choice) != str(choice) for choice in spec.choices) or _below_zero(spec)
    bound = not worded and not isinstance(spec, Text)
    binding = {"bind": "query-params"} if bound else {}
    common = {"key": name} | binding | _first_value(params, spec, name, bound=bound)
    if bound:
        _leave_out_unusable(params, spec, name)
    if isinstance(spec, Order):
        value = _order(spec, label, name, off)
    elif isinstance(spec, Shapes):
        value = _boxes(params, spec, question, judged)
    elif isinstance(spec, Text) and spec.files:
        value = own_file.box(spec, label, common, partial(put, question, field))
    else:
        value = _widget(spec, label, common, button_row.room(params, spec))
    used = _allowed(spec, value)
    st.session_state[f"{name}.kept"] = used  # at once: a rerun may end this run at any element
    if worded or (isinstance(spec, Text) and not spec.files):
        _into_address(spec, name, value)
    _say_if_moved(spec, name, value)
    if isinstance(spec, Number) and used != value:
        _say_limits(spec, used)
    if isinstance(spec, Text) and not isinstance(spec, Shapes):
        too_long.guard(name, label, spec.max_length)
        say_if_broken(value)
    return used


def _widget(spec: Field, label: str, common: dict[str, Any], room: int) -> Any:
    if isinstance(spec, Text):
        if spec.max_length > _ONE_LINE:
            return st.text_area(label, max_chars=spec.max_length, height=_LINES_HEIGHT, **common)
        return st.text_input(label, max_chars=spec.max_length, **common)
    if isinstance(spec, Switch):
        return st.toggle(label, **common)
    if isinstance(spec, Choice):
        words = {choice: word_of(spec, choice) for choice in spec.choices}
        return button_row.draw(label, words, common, room)
    assert isinstance(spec, Number), spec
    low, high, step = (type(spec.default)(number) for number in (spec.lowest, spec.maximum, spec.step))
    if high - low > _LONGEST_SLIDER * step:
        # Without limits of its own: it would say them in English, and on a phone only to who hovers.
        return st.number_input(label, step=step, format=_format(spec), **common)
    if _below_zero(spec):
        steps = range(round(low), round(high) + 1, round(step))
        return st.select_slider(label, steps, format_func=lambda number: f"{readable(number)}", **common)
    return st.slider(label, low, high, step=step, format=_format(spec), **common)


def _below_zero(spec: Field) -> bool:
    """Whether it is a slider of whole numbers below zero too, which has each by its word: Streamlit's own
    would write a hyphen for the minus sign.
    """
    return isinstance(spec, Number) and spec.whole and spec.lowest < 0


def _format(spec: Number) -> str:
    """As many decimals as a step has: a learning rate of 0.0003 is not 0.00."""
    if spec.whole:
        return "%d"
    exponent = Decimal(str(spec.step)).normalize().as_tuple().exponent
    return f"%.{max(0, -int(exponent))}f"


def _order(spec: Field, label: str, name: str, off: Collection[str]) -> str:
    """Steps to drag. Not a widget of Streamlit's: its value is kept here, under the name of the field."""
    value: str = st.session_state.setdefault(name, spec.default)

    def put(steps: Sequence[str]) -> None:
        st.session_state[name] = ",".join(steps)

    names = {step: word_of(spec, step) for step in value.split(",")}
    sortable(label, names, off=off, key=f"{name}.steps", on_order=put)
    return value


def _boxes(params: type[Params], spec: Shapes, question: str, judged: blank_boxes.Judged) -> str:
    """Boxes to choose shapes for. Their value is kept here too, as one text under the name of the field."""
    name = key(question, spec.name)
    value: str = st.session_state.setdefault(name, spec.default)

    def put(box: str, shape: Shape) -> None:
        filled = read_shapes(st.session_state[name], spec.boxes) | {box: shape}
        st.session_state[name] = spec.nearest(write_shapes(filled, spec.boxes))

    try:
        offered = params.from_dict(values(params, question)).offered()
    except ParamError:  # other settings do not go together, which is said elsewhere
        offered = {}
    names = {box: word_of(spec, box) for box in spec.boxes}
    filled = read_shapes(value, spec.boxes)
    blank_boxes.draw(label_of(spec), names, filled, offered, judged, key=name, put=put)
    return value


def word_of(spec: Field, choice: Any) -> str:
    """What a choice is called: the text under `<label>.<choice>`, or the choice itself."""
    return catalogue(current_language()).get(f"{spec.label}.{choice}", str(choice))


def _into_address(spec: Field, name: str, value: Any) -> None:
    """The value under its own name, which is the same in both languages.

    What a page begins with stays out, and a text that no address can hold.
    """
    first = {spec.default, *(spec.openings.values() if isinstance(spec, Text) else ())}
    if value in first or len(quote(str(value))) > _LONGEST_IN_ADDRESS:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != str(value):
        st.query_params[name] = str(value)


def _first_value(params: type[Params], spec: Field, name: str, *, bound: bool) -> dict[str, Any]:
    """The widget's default, unless it is new on the page.

    Then what the address asks for counts, made to fit, and after that what it said when the page was left.
    """
    if name in st.session_state:
        return {} if st.session_state.pop(f"{name}.put", False) else {"value": spec.default}
    asked, kept = st.query_params.get(name), st.session_state.get(f"{name}.kept")
    if asked is not None:
        fitting, moved = params.clamp({spec.name: asked})
        if not moved and bound:
            return {"value": spec.default}
        if moved:
            st.session_state[f"{name}.moved"] = (shortened(asked, _LONGEST_ASKED), moved[0].used)
        kept = getattr(fitting, spec.name)
    if kept is None:
        return {"value": spec.default}
    st.session_state[name] = kept
    return {}


def _leave_out_unusable(params: type[Params], spec: Field, name: str) -> None:
    """Take what the field cannot be out of the address; the widget would read it, and some cannot."""
    asked = st.query_params.get(name)
    if asked is not None and params.clamp({spec.name: asked})[1]:
        streamlit_inside.forget_in_address(name)


def say_if_broken(text: str) -> None:
    """A word about characters that came as halves or in another encoding: no text can hold them."""
    if "\N{REPLACEMENT CHARACTER}" in text:
        st.caption(t("controls.broken"))


def _say_limits(spec: Number, used: float) -> None:
    lowest, highest, taken = (_written(spec, number) for number in (spec.lowest, spec.maximum, used))
    st.caption(t("controls.outside", label=t(spec.label), lowest=lowest, highest=highest, used=taken))


def _written(spec: Number, number: float) -> str:
    return f"{number:,.0f}" if spec.whole or abs(number) >= 1e6 else f"{number:g}"


def _say_if_moved(spec: Field, name: str, value: Any) -> None:
    asked, used = st.session_state.get(f"{name}.moved", (None, None))
    if asked is not None and value == used:
        st.caption(t("controls.moved", label=t(spec.label), asked=asked, used=_worded(spec, used)))


def _worded(spec: Field, value: Any) -> Any:
    """A value as a sentence says it: each of its choices by its word."""
    if isinstance(spec, Order):
        return ", ".join(word_of(spec, step) for step in value.split(","))
    if isinstance(spec, Choice):
        return word_of(spec, value)
    return shortened(value, _LONGEST_ASKED) if isinstance(value, str) else value

"""The parameters of an experiment: a frozen dataclass of fields, checked when it is made.

@dataclass(frozen=True)
class GridParams(Params):
    samples: int = choice(8, (4, 8, 16), primary=True)

GridParams.from_dict({"samples": "16"})     # checked; raises ParamError
GridParams.clamp({"samples": "17"})         # never raises: (params, what was changed)
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from labs.contract.fields import METADATA_KEY, Field, ParamError, Text, quoted, written
from labs.contract.filling import without_e
from labs.contract.shapes import Shape


@dataclass(frozen=True)
class Clamped:
    """One value that `Params.clamp` changed, for the word about it."""

    field: str
    given: Any
    used: Any
    sentence: str


@dataclass(frozen=True)
class Params:
    """Base of every experiment's parameters; subclasses are frozen dataclasses of fields (`fields.py`)."""

    def __post_init__(self) -> None:
        for field in self.specs():
            field.check(getattr(self, field.name))
        self.check_together()

    def check_together(self) -> None:
        """Override to raise ParamError("together", ...) for values that cannot be combined."""

    def offered(self) -> Mapping[str, Sequence[Shape]]:
        """Override to say what each box of a field of `blank_shapes` can hold under these settings."""
        return {}

    @classmethod
    @cache
    def specs(cls) -> tuple[Field, ...]:
        """What each parameter accepts, in the order of the class, under its name and its full label."""
        lab = lab_of(cls.__module__)
        return tuple(
            dataclasses.replace(spec, name=field.name, label=f"{lab}.{spec.label or field.name}")
            for field in dataclasses.fields(cls)
            for spec in (field.metadata[METADATA_KEY],)
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read plain data or text values. Raises ParamError with one sentence; an unknown key is an error."""
        fields = {field.name: field for field in cls.specs()}
        for key in data:
            if key not in fields:
                raise _unknown(key, list(fields))
        return cls(**{name: fields[name].parse(value) for name, value in data.items()})

    @classmethod
    def clamp(cls, data: Mapping[str, Any]) -> tuple[Self, tuple[Clamped, ...]]:
        """Read values that nobody checked (the address bar). Never raises.

        What cannot be used becomes the nearest allowed value or the default, and is listed.
        """
        values: dict[str, Any] = {}
        changed: list[Clamped] = []
        fields = {field.name: field for field in cls.specs()}
        for name, given in data.items():
            if name not in fields:
                changed.append(Clamped(name, given, None, f"{name} is not a setting here: it is left out."))
                continue
            values[name], change = _usable(fields[name], given)
            if change is not None:
                changed.append(change)
        try:
            return cls(**values), tuple(changed)
        except ParamError as error:
            changed.append(Clamped(error.field, None, None, f"{error} The defaults are used."))
            return cls(), tuple(changed)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `from_dict` reads it back."""
        return {field.name: getattr(self, field.name) for field in self.specs()}

    def measured(self) -> dict[str, Any]:
        """The part that decides what is measured, that is without the view fields."""
        return {field.name: getattr(self, field.name) for field in self.specs() if not field.view}

    def changes(self) -> dict[str, Any]:
        """The parameters that differ from their defaults."""
        defaults = {field.name: field.default for field in self.specs()}
        return {name: value for name, value in self.to_dict().items() if value != defaults[name]}


def lab_of(module: str) -> str:
    """The lab that a module belongs to: the question's key, or for a lab of no question its folder.

    >>> lab_of("labs.q13_sampling.grid"), lab_of("labs.playground.continuation")
    ('q13', 'playground')
    """
    folder = module.split(".")[-2]
    return folder.partition("_")[0] if re.match(r"q\d+_", folder) else folder


def _usable(field: Field, given: Any) -> tuple[Any, Clamped | None]:
    try:
        value = field.parse(given)
    except ParamError as error:
        sentence = f"{error} {field.default!r} is used."
        return field.default, Clamped(field.name, given, field.default, sentence)
    try:
        field.check(value)
    except ParamError as error:
        used = field.nearest(value)
        return used, Clamped(field.name, given, used, _moved(field, error, given, used))
    return value, None


def _moved(field: Field, error: ParamError, given: Any, used: Any) -> str:
    if isinstance(field, Text):
        return f"{error} The rest is cut off." if error.code == "long" else str(error)
    if field.choices:
        return f"{error} {used!r} is used."
    word = "above" if error.code == "high" else "below"
    shown = without_e(f"{used:g}")
    return f"{field.name} {written(given)} is {word} {shown}: {shown} is used."


def _unknown(key: str, known: list[str]) -> ParamError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(known)}."
    return ParamError(
        "unknown",
        key,
        f"Unknown setting {quoted(key)}; {hint}",
        key="param.unknown",
        name=key,
        known=", ".join(known),
    )

"""Parameters of an experiment: one frozen dataclass whose fields say what they accept.

Page controls, the command line, the address bar and the check of a run all read the same
`FieldSpec`. Nothing here knows an experiment, a screen or torch.

    @dataclass(frozen=True)
    class NextToken(Params):
        temperature: float = real(0.8, 0, 3, step=0.05, label="q13.temperature")

    NextToken.from_dict({"temperature": "0.7"}).temperature      # 0.7
    NextToken.clamp({"temperature": 9})[1][0].sentence           # "temperature 9 is above 3: 3 is used."
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from minimind_core.errors import ConfigError

FieldKind = Literal["int", "float", "bool", "choice", "order", "text"]
_METADATA_KEY = "labs.field"
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class ParamError(ConfigError):
    """A parameter that cannot be used; `str(error)` is one sentence.

    `code` is "unknown", "kind", "low", "high", "choice", "long", "together" or a lab's own; `field` names
    the parameter. `key` and `values` let a page say the same in another language, where a value called
    `label` is itself the key of a label.
    """

    def __init__(self, code: str, field: str, sentence: str, *, key: str = "", **values: Any) -> None:
        super().__init__(sentence, key=key, **values)
        self.code, self.field = code, field


@dataclass(frozen=True)
class FieldSpec:
    """What one parameter accepts and how to show it. `label` is a key of the string catalogues."""

    kind: FieldKind
    default: Any
    label: str
    name: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    above_minimum: bool = False
    """The minimum itself is not allowed, as in top-p in (0, 1]."""
    step: float | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""
    max_length: int = 0
    primary: bool = False
    """One of the (at most three) controls shown at once; the others stand under More."""
    view: bool = False
    """Changes what is shown of a result, not what is measured: never a reason to run again."""
    sentence: str = ""
    """Said instead of the general sentence when a number is out of range. Its key is the label's."""
    low_sentence: str = ""
    """The same, for a number that is too small only. Its key is the label's with `.low`."""

    @property
    def lowest(self) -> float:
        """The smallest value that a slider can offer."""
        return self.minimum + (self.step or 0.0) if self.above_minimum else self.minimum

    def parse(self, value: Any) -> Any:
        """`value` (or its text form) in this field's type. Raises ParamError; ranges are not checked."""
        if self.kind == "text":
            return value if isinstance(value, str) else self._refuse("text", value)
        if self.kind == "bool":
            return self._parse_bool(value)
        if self.kind == "choice":
            return next((c for c in self.choices if value == c or str(value) == str(c)), value)
        if self.kind == "order":
            return ",".join(step.strip() for step in str(value).split(","))
        return self._parse_number(value)

    def check(self, value: Any) -> None:
        """Raise ParamError if a value of the right type is out of range, too long or not a choice."""
        if self.kind == "choice" and value not in self.choices:
            listed = ", ".join(map(str, self.choices))
            raise ParamError(
                "choice",
                self.name,
                f"{self.name} must be one of {listed}, not {value!r}.",
                key="param.choice",
                label=self.label,
                given=str(value),
                choices=listed,
            )
        if self.kind == "order" and sorted(str(value).split(",")) != sorted(self.choices):
            listed = ", ".join(self.choices)
            raise ParamError(
                "choice",
                self.name,
                f"{self.name} must name each of {listed} once, not {value!r}.",
                key="param.order",
                label=self.label,
                given=str(value),
                choices=listed,
            )
        if self.kind == "text" and len(value) > self.max_length:
            raise ParamError(
                "long",
                self.name,
                f"{self.name} has {len(value):,} characters; the most is {self.max_length:,}.",
                key="param.long",
                label=self.label,
                given=len(value),
                maximum=self.max_length,
            )
        if self.kind in ("int", "float"):
            self._check_range(value)

    def nearest(self, value: Any) -> Any:
        """The allowed value closest to one that `check` refused."""
        if self.kind == "text":
            return value[: self.max_length]
        if self.kind in ("choice", "order"):
            return self.default
        limited = min(max(value, self.lowest), self.maximum)
        return int(limited) if self.kind == "int" else float(limited)

    def _check_range(self, value: int | float) -> None:
        if value < self.minimum or (self.above_minimum and value == self.minimum):
            word, key = ("above", "param.above") if self.above_minimum else ("at least", "param.low")
            own = f"{self.label}.low" if self.low_sentence else self.label if self.sentence else key
            raise ParamError(
                "low",
                self.name,
                self.low_sentence
                or self.sentence
                or f"{self.name} must be {word} {self.minimum:g}, not {value:g}.",
                key=own,
                label=self.label,
                given=value,
                limit=self.minimum,
            )
        if value > self.maximum:
            raise ParamError(
                "high",
                self.name,
                self.sentence or f"{self.name} must be at most {self.maximum:g}, not {value:g}.",
                key=self.label if self.sentence else "param.high",
                label=self.label,
                given=value,
                limit=self.maximum,
            )

    def _parse_bool(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        text = str(value).lower()
        if text in _YES + _NO:
            return text in _YES
        return bool(self._refuse("true or false", value))

    def _parse_number(self, value: Any) -> int | float:
        wanted = "a whole number" if self.kind == "int" else "a number"
        if isinstance(value, bool):
            self._refuse(wanted, value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            self._refuse(wanted, value)
        if not math.isfinite(number) or (self.kind == "int" and number != int(number)):
            self._refuse(wanted, value)
        if self.kind == "float":
            return number
        return value if isinstance(value, int) else int(number)

    def _refuse(self, wanted: str, value: Any) -> Any:
        raise ParamError(
            "kind",
            self.name,
            f"{self.name} must be {wanted}, not {value!r}.",
            key=f"param.{self.kind}",
            label=self.label,
            given=str(value),
        )


@dataclass(frozen=True)
class Clamped:
    """One value that `Params.clamp` changed, for the word about it."""

    field: str
    given: Any
    used: Any
    sentence: str


@dataclass(frozen=True)
class Params:
    """Base of every experiment's parameters. Subclasses are frozen dataclasses of fields made below."""

    def __post_init__(self) -> None:
        for spec in self.specs():
            spec.check(getattr(self, spec.name))
        self.check_together()

    def check_together(self) -> None:
        """Override to raise ParamError("together", ...) for fields that cannot be combined."""

    @classmethod
    def specs(cls) -> tuple[FieldSpec, ...]:
        """What each field accepts, in the order of the class."""
        return tuple(
            dataclasses.replace(field.metadata[_METADATA_KEY], name=field.name)
            for field in dataclasses.fields(cls)
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read plain data or text values. Raises ParamError with one sentence; an unknown key is an error."""
        by_name = {spec.name: spec for spec in cls.specs()}
        for key in data:
            if key not in by_name:
                raise _unknown(key, list(by_name))
        return cls(**{name: by_name[name].parse(value) for name, value in data.items()})

    @classmethod
    def clamp(cls, data: Mapping[str, Any]) -> tuple[Self, tuple[Clamped, ...]]:
        """Read values that nobody checked (the address bar). Never raises: what cannot be used is moved

        to the nearest allowed value, or to the default, and told.
        """
        values: dict[str, Any] = {}
        changed: list[Clamped] = []
        by_name = {spec.name: spec for spec in cls.specs()}
        for name, given in data.items():
            if name not in by_name:
                changed.append(Clamped(name, given, None, f"{name} is not a setting here: it is left out."))
                continue
            values[name], word = _usable(by_name[name], given)
            if word is not None:
                changed.append(word)
        try:
            return cls(**values), tuple(changed)
        except ParamError as error:
            changed.append(Clamped(error.field, None, None, f"{error} The defaults are used."))
            return cls(), tuple(changed)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `from_dict` reads it back."""
        return {spec.name: getattr(self, spec.name) for spec in self.specs()}

    def measured(self) -> dict[str, Any]:
        """The part that decides what is measured, that is without the view fields."""
        return {spec.name: getattr(self, spec.name) for spec in self.specs() if not spec.view}

    def changes(self) -> dict[str, Any]:
        """The fields that differ from their defaults."""
        defaults = {spec.name: spec.default for spec in self.specs()}
        return {name: value for name, value in self.to_dict().items() if value != defaults[name]}


def whole(
    default: int,
    minimum: int,
    maximum: int,
    *,
    step: int = 1,
    label: str,
    unit: str = "",
    primary: bool = False,
    view: bool = False,
    sentence: str = "",
) -> Any:
    """A field for a whole number in [minimum, maximum]."""
    return _field(
        FieldSpec(
            "int",
            default,
            label,
            minimum=minimum,
            maximum=maximum,
            step=step,
            unit=unit,
            primary=primary,
            view=view,
            sentence=sentence,
        )
    )


def real(
    default: float,
    minimum: float,
    maximum: float,
    *,
    step: float,
    label: str,
    unit: str = "",
    above_minimum: bool = False,
    primary: bool = False,
    view: bool = False,
    sentence: str = "",
    low_sentence: str = "",
) -> Any:
    """A field for a number in [minimum, maximum], or (minimum, maximum] with `above_minimum`."""
    return _field(
        FieldSpec(
            "float",
            default,
            label,
            minimum=minimum,
            maximum=maximum,
            step=step,
            unit=unit,
            above_minimum=above_minimum,
            primary=primary,
            view=view,
            sentence=sentence,
            low_sentence=low_sentence,
        )
    )


def text(
    default: str, *, label: str, max_length: int = 2000, primary: bool = False, view: bool = False
) -> Any:
    """A field for free text of at most `max_length` characters."""
    return _field(FieldSpec("text", default, label, max_length=max_length, primary=primary, view=view))


def choice(
    default: Any,
    choices: Sequence[Any],
    *,
    label: str,
    unit: str = "",
    primary: bool = False,
    view: bool = False,
) -> Any:
    """A field for one of a few values."""
    assert default in choices
    return _field(
        FieldSpec("choice", default, label, choices=tuple(choices), unit=unit, primary=primary, view=view)
    )


def order(*steps: str, label: str, primary: bool = False, view: bool = False) -> Any:
    """A field for the order of all `steps`, as text like "first,second"; the default is as given."""
    return _field(FieldSpec("order", ",".join(steps), label, choices=steps, primary=primary, view=view))


def switch(default: bool, *, label: str, primary: bool = False, view: bool = False) -> Any:
    """A field for yes or no."""
    return _field(FieldSpec("bool", default, label, primary=primary, view=view))


def _field(spec: FieldSpec) -> Any:
    return dataclasses.field(default=spec.default, metadata={_METADATA_KEY: spec})


def _usable(spec: FieldSpec, given: Any) -> tuple[Any, Clamped | None]:
    try:
        value = spec.parse(given)
    except ParamError as error:
        return spec.default, Clamped(spec.name, given, spec.default, f"{error} {spec.default!r} is used.")
    try:
        spec.check(value)
    except ParamError as error:
        used = spec.nearest(value)
        return used, Clamped(spec.name, given, used, _moved(spec, error, given, used))
    return value, None


def _moved(spec: FieldSpec, error: ParamError, given: Any, used: Any) -> str:
    if error.code == "long":
        return f"{error} The rest is cut off."
    if error.code == "choice":
        return f"{error} {used!r} is used."
    word = "above" if error.code == "high" else "below"
    return f"{spec.name} {given} is {word} {used:g}: {used:g} is used."


def _unknown(key: str, known: list[str]) -> ParamError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(known)}."
    return ParamError(
        "unknown",
        key,
        f"Unknown setting {key!r}; {hint}",
        key="param.unknown",
        name=key,
        known=", ".join(known),
    )

"""What an experiment can be asked: fields that read, check and describe one value each.

    prompt: str = text("今天天气", primary=True)
    samples: int = whole(20, 1, 200, unit="texts")

The same field checks a run, draws its widget, reads the address and the command line. A value out of range
is refused with one sentence in English, whose key lets a page say it in another language.
"""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from labs.contract.filling import without_e
from labs.contract.given import WHOLE, names_of, quoted, same, written
from minimind_core.errors import ConfigError

METADATA_KEY = "field"
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character that needs two: no text can be encoded that holds one."""


class ParamError(ConfigError):
    """A parameter that cannot be used: `code` for programs, `field` and one English sentence.

    Codes: unknown, kind, low, high, long, half, choice, together. `key` and `values` let a page say the same
    in another language, where a value called `label` is itself the key of a label.
    """

    def __init__(self, code: str, field: str, sentence: str, *, key: str = "", **values: Any) -> None:
        super().__init__(sentence, key=key, **values)
        self.code, self.field = code, field


@dataclass(frozen=True, kw_only=True)
class Field(ABC):
    """What one parameter accepts and how to show it."""

    default: Any
    label: str = ""
    """Key in the lab's catalogue; the parameter's own name unless given. `Params.specs` completes it."""
    name: str = ""
    unit: str = ""
    primary: bool = False
    """One of the (at most three) controls shown at once; the others stand under More."""
    view: bool = False
    """Changes what is shown of a result, not what is measured: never a reason to run again."""
    choices: tuple[Any, ...] = ()
    """What can be chosen from; `<label>.<choice>` in the catalogue is what a choice is called."""

    @abstractmethod
    def parse(self, value: Any) -> Any:
        """`value` or its text form in this field's type. Raises ParamError; limits are not checked."""

    @abstractmethod
    def check(self, value: Any) -> None:
        """Raise ParamError for a value of the right type that is not allowed."""

    @abstractmethod
    def nearest(self, value: Any) -> Any:
        """The allowed value closest to one that `check` refused."""

    def refuse_kind(self, wanted: str, key: str, value: Any) -> NoReturn:
        """Raise the ParamError for a value that is not even of this field's type."""
        sentence = f"{self.name} must be {wanted}, not {quoted(value)}."
        raise ParamError("kind", self.name, sentence, key=key, label=self.label, given=written(value))

    def refuse_choice(self, wanted: str, key: str, value: Any) -> NoReturn:
        """Raise the ParamError for a value that is not among the choices; `wanted` has their place, {}."""
        listed = ", ".join(map(str, self.choices))
        sentence = f"{self.name} must {wanted.format(listed)}, not {quoted(value)}."
        raise ParamError(
            "choice", self.name, sentence, key=key, label=self.label, given=written(value), choices=listed
        )


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A number in [minimum, maximum], or in (minimum, maximum] with `above_minimum`."""

    minimum: float
    maximum: float
    step: float
    whole: bool = False
    above_minimum: bool = False
    sentence: str = ""
    """Said instead of the general sentence when a number is out of range. Its key is the label's."""
    low_sentence: str = ""
    """The same, for a number that is too small only. Its key is the label's with `.low`."""

    @property
    def lowest(self) -> float:
        """The smallest value that a slider can offer."""
        return self.minimum + self.step if self.above_minimum else self.minimum

    def parse(self, value: Any) -> int | float:
        """See Field."""
        if isinstance(value, bool):
            self._refuse_number(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            self._refuse_number(value)
        if not math.isfinite(number) or (self.whole and number != int(number)):
            self._refuse_number(value)
        if not self.whole:
            return number
        try:
            return int(value)  # exact where a float would round: 9007199254740993
        except (TypeError, ValueError):
            return int(number)

    def check(self, value: int | float) -> None:
        """See Field."""
        if value < self.minimum or (self.above_minimum and value == self.minimum):
            word, key = ("above", "param.above") if self.above_minimum else ("at least", "param.low")
            general = f"{self.name} must be {word} {_shown(self.minimum)}, not {_shown(value)}."
            own_key = f"{self.label}.low" if self.low_sentence else self.label if self.sentence else key
            self._refuse("low", self.low_sentence or self.sentence or general, own_key, value, self.minimum)
        if value > self.maximum:
            general = f"{self.name} must be at most {_shown(self.maximum)}, not {_shown(value)}."
            own_key = self.label if self.sentence else "param.high"
            self._refuse("high", self.sentence or general, own_key, value, self.maximum)

    def nearest(self, value: int | float) -> int | float:
        """See Field."""
        limited = min(max(value, self.lowest), self.maximum)
        return int(limited) if self.whole else float(limited)

    def _refuse(self, code: str, sentence: str, key: str, value: float, limit: float) -> NoReturn:
        raise ParamError(code, self.name, sentence, key=key, label=self.label, given=value, limit=limit)

    def _refuse_number(self, value: Any) -> NoReturn:
        wanted, key = ("a whole number", "param.int") if self.whole else ("a number", "param.float")
        self.refuse_kind(wanted, key, value)


def _shown(value: float) -> str:
    return without_e(f"{value:g}")


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """Free text of at most `max_length` whole characters: half a surrogate pair is none."""

    max_length: int
    openings: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    """By language: what stands on the page at first in place of the default, so that a reader can read it."""
    files: tuple[str, ...] = ()
    """Endings of files whose content it may be. It has many lines then, and stays out of the address."""

    def parse(self, value: Any) -> str:
        """See Field."""
        return value if isinstance(value, str) else self.refuse_kind("text", "param.text", value)

    def check(self, value: str) -> None:
        """See Field."""
        if broken := _SURROGATE.search(value):
            raise ParamError(
                "half",
                self.name,
                f"{self.name} holds half a character at place {broken.start() + 1:,}; delete it or write it "
                "again.",
                key="param.half",
                label=self.label,
                place=broken.start() + 1,
            )
        if len(value) > self.max_length:
            raise ParamError(
                "long",
                self.name,
                f"{self.name} has {len(value):,} characters; the most is {self.max_length:,}.",
                key="param.long",
                label=self.label,
                given=len(value),
                maximum=self.max_length,
            )

    def nearest(self, value: str) -> str:
        """See Field."""
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value[: self.max_length])


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    """One of a few values."""

    sentence: str = ""
    """Said of a number that is none of them, `{given}` filled in. Its key is the label's."""

    def parse(self, value: Any) -> Any:
        """See Field."""
        text = written(value)
        for choice in self.choices:
            if same(value, choice) or text in names_of(choice):
                return choice
        return value

    def check(self, value: Any) -> None:
        """See Field."""
        if any(same(value, choice) for choice in self.choices):
            return
        given = written(value)
        if self.sentence and WHOLE.match(given):
            raise ParamError(
                "choice", self.name, self.sentence.format(given=given), key=self.label, given=given
            )
        self.refuse_choice("be one of {}", "param.choice", value)

    def nearest(self, value: Any) -> Any:
        """See Field."""
        return self.default


@dataclass(frozen=True, kw_only=True)
class Order(Field):
    """The order of all `choices`, as text like "first,second"."""

    def parse(self, value: Any) -> str:
        """See Field."""
        if not isinstance(value, str):
            self.refuse_choice("name each of {} once", "param.order", value)
        return ",".join(step.strip() for step in value.split(","))

    def check(self, value: Any) -> None:
        """See Field."""
        if sorted(str(value).split(",")) != sorted(self.choices):
            self.refuse_choice("name each of {} once", "param.order", value)

    def nearest(self, value: Any) -> str:
        """See Field."""
        return str(self.default)


@dataclass(frozen=True, kw_only=True)
class Switch(Field):
    """Yes or no."""

    def parse(self, value: Any) -> bool:
        """See Field."""
        word = written(value).lower()
        return word in _YES if word in _YES + _NO else self.refuse_kind("true or false", "param.bool", value)

    def check(self, value: bool) -> None:
        """See Field: both are allowed."""

    def nearest(self, value: bool) -> bool:
        """See Field."""
        return value


def whole(default: int, minimum: int, maximum: int, *, step: int = 1, **options: Any) -> Any:
    """A field for a whole number in [minimum, maximum]; `options` are those of `Number`."""
    return field_of(
        Number(default=default, minimum=minimum, maximum=maximum, step=step, whole=True, **options)
    )


def real(default: float, minimum: float, maximum: float, *, step: float, **options: Any) -> Any:
    """A field for a number in [minimum, maximum]; `options` are those of `Number`."""
    return field_of(Number(default=default, minimum=minimum, maximum=maximum, step=step, **options))


def text(default: str, *, max_length: int = 2000, **options: Any) -> Any:
    """A field for free text; `options` are those of `Text`."""
    return field_of(Text(default=default, max_length=max_length, **options))


def choice(default: Any, choices: Sequence[Any], **options: Any) -> Any:
    """A field for one of a few values; `options` are those of `Field`."""
    assert default in choices
    return field_of(Choice(default=default, choices=tuple(choices), **options))


def order(*steps: str, **options: Any) -> Any:
    """A field for the order of all `steps`; the default is as given. `options` are those of `Field`."""
    return field_of(Order(default=",".join(steps), choices=steps, **options))


def switch(default: bool, **options: Any) -> Any:
    """A field for yes or no; `options` are those of `Field`."""
    return field_of(Switch(default=default, **options))


def field_of(field: Field) -> Any:
    """What stands in a dataclass of parameters for `field`."""
    return dataclasses.field(default=field.default, metadata={METADATA_KEY: field})

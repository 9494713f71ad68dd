"""Settings as people write them, in JSON: made into a checked dataclass, or refused in a sentence. No torch.

What Python says of a wrong type or an unknown argument is for programmers, and never reaches a person.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from typing import Any, TypeVar

from minimind_core.errors import ConfigError, shortened

T = TypeVar("T")
_KINDS: dict[Any, tuple[type | tuple[type, ...], str]] = {
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
}
"""By the annotation of a field what it takes, and how that is called."""


def read_object(data: bytes | str) -> dict[str, Any]:
    """The JSON object that a text or the content of a file holds, in any encoding of Unicode.

    Raises ConfigError with the line where the JSON breaks off.
    """
    try:
        # json tells the encoding of bytes by their first characters, which are ASCII in JSON
        values = json.loads(data.removeprefix("\ufeff") if isinstance(data, str) else data)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"The settings are no JSON from line {error.lineno}, column {error.colno}; mend them there.",
            key="written.not_json",
            line=error.lineno,
            column=error.colno,
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "The settings are in no encoding of Unicode; save them as UTF-8.", key="written.encoding"
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, thousands of brackets
        raise ConfigError(
            "The settings hold a number or a nesting beyond all bounds; give ordinary ones.",
            key="written.bounds",
        ) from error
    return as_table("settings", values)


def as_table(name: str, values: Any) -> dict[str, Any]:
    """The values themselves if they are a JSON object. Raises ConfigError."""
    if not isinstance(values, dict):
        given = shortened(json.dumps(values, ensure_ascii=False), 24)
        raise ConfigError(
            f'{name} must be a JSON object, not {given}; write it like {{"steps": 100}}.',
            key="written.no_object",
            name=name,
            given=given,
        )
    return values


def built(cls: type[T], name: str, values: Any) -> T:
    """A settings dataclass out of the JSON value called `name`.

    Raises ConfigError for what is no object, an unknown key (with the nearest known one), a missing one, and
    whatever the class itself refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in as_table(name, values):
        if key not in fields:
            near, given = difflib.get_close_matches(key, fields, n=1), key[:60]
            unknown = f"Unknown {name} setting {given!r}"
            if not near:
                raise ConfigError(f"{unknown}.", key="written.unknown", name=name, given=given)
            raise ConfigError(
                f"{unknown}; did you mean {near[0]!r}?",
                key="written.misspelt",
                name=name,
                given=given,
                near=near[0],
            )
    for field in fields.values():
        lacks = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if lacks and field.name not in values:
            raise ConfigError(
                f"The {name} settings lack {field.name!r}; add it.",
                key="written.lacks",
                name=name,
                lacking=field.name,
            )
    return cls(**values)


def check_kinds(settings: Any) -> None:
    """Raise ConfigError where an int, a float or a bool of a settings dataclass holds another kind of value.

    A whole number will do as a float; true and false are no numbers.
    """
    for field in dataclasses.fields(settings):
        if field.type not in _KINDS:
            continue
        value, (kind, wanted) = getattr(settings, field.name), _KINDS[field.type]
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            given = f"{value!r:.40}"
            sentence = f"{field.name} must be {wanted}, not {given}."
            if field.type == "int":
                raise ConfigError(sentence, key="written.whole", name=field.name, given=given)
            if field.type == "float":
                raise ConfigError(sentence, key="written.number", name=field.name, given=given)
            raise ConfigError(sentence, key="written.truth", name=field.name, given=given)

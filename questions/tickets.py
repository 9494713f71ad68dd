"""What a sealed ticket may ask: predictions whose settings are drawn, from `tickets.toml` of a question.

    [[tickets]]
    id = "cache-size"            # and what else a prediction has
    [tickets.vary]
    kv_heads = [1, 4, 8]         # one of each list is drawn

The file is optional. Drawing is labs/tickets; here nothing is known of labs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from questions.entry import Entry, check_unique
from questions.interview import Prediction, read_prediction
from questions.values import plain, read_value

_CHOICES_OF = "choices_of"


@dataclass(frozen=True)
class Variation:
    """A prediction, and by setting the values that a ticket draws from; its own `params` stay fixed."""

    prediction: Prediction
    vary: Mapping[str, tuple[Any, ...]]


def read_variations(file: Entry | None, question: Entry) -> tuple[Variation, ...]:
    """What `tickets.toml` holds; nothing where there is no such file. `question` is `question.toml`.

    `choices_of` takes the choices of one of the question's own predictions. Raises QuestionError.
    """
    if file is None:
        return ()
    file.only(("tickets",))
    tables = file.tables("tickets")
    found = tuple(_variation(table, question) for table in tables)
    check_unique(zip(tables, (each.prediction.id for each in found), strict=True))
    return found


def tickets_path(question: Path) -> Path:
    """Where the variations of the question with this `question.toml` stand."""
    return question.with_name("tickets.toml")


def _variation(entry: Entry, question: Entry) -> Variation:
    data = {name: value for name, value in entry.data.items() if name not in ("vary", _CHOICES_OF)}
    if _CHOICES_OF in entry.data:
        data["choices"] = _choices(entry, question)
    vary = entry.table("vary")
    if not vary.data:
        raise entry.fail("vary", "must name at least one setting with its values.")
    return Variation(
        read_prediction(Entry(entry.path, data, entry.where)),
        {name: _values(vary, name) for name in vary.data},
    )


def _choices(entry: Entry, question: Entry) -> list[Mapping[str, Any]]:
    name = entry.text(_CHOICES_OF)
    for table in question.tables("predictions"):
        if table.data.get("id") == name:
            return [choice.data for choice in table.tables("choices")]
    raise entry.fail(_CHOICES_OF, f"there is no prediction {name}.")


def _values(vary: Entry, name: str) -> tuple[Any, ...]:
    given = vary.data[name]
    if not isinstance(given, list) or len(given) < 2:
        raise vary.fail(name, f"must be a list of at least two values, not {given!r}.")
    return tuple(plain(read_value(vary, name)))

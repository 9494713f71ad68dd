"""The shape of an exported file, checked entry by entry before anything enters the database.

Every refusal is one sentence that names the place in the file. Reads no file and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from study.store.drafts import MAX_REVISION
from study.store.errors import StoreError
from study.store.panels import MOST_MEMBERS
from study.store.plain import MAX_TEXT
from study.store.profiles import MAX_NAME
from study.store.sound import LATEST, TIERS, is_number, is_plain

FORMAT, EXPORT_VERSION = "minimind-study", 3
MAX_IDENTIFIER = 200
MOST_ENTRIES = 100_000
"""Of one kind in a file; years of work have some hundreds."""

Check = Callable[[Any], bool]


def _text(longest: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= longest


def _identifier(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_IDENTIFIER and value.isprintable()


def _identifiers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_identifier, value))


def _answer(value: Any) -> bool:
    return value is None or is_number(value) or _identifier(value)


def _none_or(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _moment(value: Any) -> bool:
    return is_number(value) and 0 <= value < LATEST


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _dictionary(of: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(map(_identifier, value)) and all(map(of, value.values()))
    )


_ENTRY: dict[str, Check] = {"question": _identifier, "text": _text(MAX_TEXT), "changed": _moment}
_LISTS: dict[str, dict[str, Check]] = {
    "drafts": {**_ENTRY, "field": _identifier, "revision": _whole(1, MAX_REVISION)},
    "copies": {**_ENTRY, "field": _identifier},
    "attempts": {
        **_ENTRY,
        "id": _identifier,
        "started": _moment,
        "finished": _none_or(_moment),
        "predictions": _dictionary(_answer),
        "measurements": _dictionary(is_plain),
        "ticks": _identifiers,
        "help_used": _identifiers,
        "seconds": lambda value: is_number(value) and value >= 0,
        "tier": _none_or(lambda value: type(value) is int and value in TIERS),
    },
}
_EVENT: dict[str, Check] = {
    "moment": _moment,
    "kind": _identifier,
    "question": _text(MAX_IDENTIFIER),
    "data": lambda value: isinstance(value, dict) and is_plain(value),
}
_LISTS["interviews"] = {
    "id": _identifier,
    "candidate": _text(MAX_NAME),
    "minutes": _whole(0, 10_000),
    "questions": _identifiers,
    "started": _moment,
    "finished": _none_or(_moment),
    "events": lambda value: isinstance(value, list) and len(value) <= MOST_ENTRIES,
    "panel": lambda value: isinstance(value, list) and len(value) <= MOST_MEMBERS,
}
_MEMBER: dict[str, Check] = {
    "id": _identifier,
    "name": _text(MAX_NAME),
    "ticks": _dictionary(_identifiers),
    "handed": _none_or(_moment),
}
_PROFILE: dict[str, Check] = {"name": _text(MAX_NAME)}


def read_export(data: str | bytes) -> dict[str, Any]:
    """The content of an exported file, every entry checked. Raises StoreError."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _broken("it is no JSON text") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StoreError(
            "This file is no export of this app: choose the file that Export gave you.", key="store.no_export"
        )
    _check_version(content)
    _check(
        content,
        "the file",
        {
            "format": lambda value: True,
            "version": lambda value: True,
            "exported": _moment,
            "profile": lambda value: isinstance(value, dict),
            **{name: lambda value: isinstance(value, list) for name in _LISTS},
        },
    )
    _check(content["profile"], "profile", _PROFILE)
    for name, shape in _LISTS.items():
        if len(content[name]) > MOST_ENTRIES:
            raise _broken(f"it holds more than {MOST_ENTRIES:,} {name}")
        for number, entry in enumerate(content[name], 1):
            _check(entry, f"entry {number} of {name}", shape)
            if name == "attempts" and (entry["finished"] is None) != (entry["tier"] is None):
                raise _broken(f"entry {number} of attempts is neither finished nor open")
            for place, event in enumerate(entry.get("events", ()), 1):
                _check(event, f"event {place} of interview {number}", _EVENT)
            for place, member in enumerate(entry.get("panel", ()), 1):
                _check(member, f"member {place} of the panel of interview {number}", _MEMBER)
    _refuse_twins(content)
    return content


def _check_version(content: dict[str, Any]) -> None:
    """Refuse a newer version; give an older one the lists that it lacks."""
    version = content.get("version")
    if type(version) is int and version > EXPORT_VERSION:
        raise StoreError(
            "This file is from a newer version of this app: update the app and try again.",
            key="store.newer_export",
        )
    if type(version) is not int or version < 1:
        raise _broken("'version' is wrong")
    if version == 1:  # from before there were interviews
        content.setdefault("interviews", [])
    interviews = content.get("interviews")
    if version < 3 and isinstance(interviews, list):  # from before they had panels
        content["interviews"] = [
            {"panel": [], **entry} if isinstance(entry, dict) else entry for entry in interviews
        ]


def _check(entry: Any, where: str, shape: dict[str, Check]) -> None:
    if not isinstance(entry, dict) or set(entry) - set(shape):
        raise _broken(f"{where} holds what it should not")
    for key, check in shape.items():
        if key not in entry or not check(entry[key]):
            raise _broken(f"'{key}' of {where} is missing or wrong")


def _refuse_twins(content: dict[str, Any]) -> None:
    drafts = {(draft["question"], draft["field"]) for draft in content["drafts"]}
    attempts = {attempt["id"] for attempt in content["attempts"]}
    interviews = {interview["id"] for interview in content["interviews"]}
    counted = (("drafts", drafts), ("attempts", attempts), ("interviews", interviews))
    panels = [[member["id"] for member in entry["panel"]] for entry in content["interviews"]]
    if any(len(set(panel)) < len(panel) for panel in panels) or any(
        len(found) < len(content[name]) for name, found in counted
    ):
        raise _broken("it holds something twice")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _broken(what: str) -> StoreError:
    return StoreError(
        f"This file is broken ({what}): nothing was imported; choose another, or export again.",
        key="store.broken_export",
    )

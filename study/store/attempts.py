"""Attempts at questions: from the first committed prediction to the score, kept at each step.

    attempt = store.attempts.open(profile.id, "q06")         # the unfinished one, or a new one
    attempt = store.attempts.predict(attempt, "speedup", 4.0)  # None: skipped. The first answer stays
    attempt = store.attempts.finish(attempt, 80, text=answer, ticks={"cache-size"}, seconds=312)

Scores nothing: study.scoring and study.predictions do, from what is kept here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, select, update

from study.predictions import Answer
from study.scoring import Points
from study.store import schema, sound
from study.store.database import Database
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now, plain
from study.store.profiles import lock_profile, next_serial

_TABLE = schema.attempts


@dataclass(frozen=True)
class Attempt:
    """One attempt. Times are seconds since 1970; `finished` and `tier` are None until it is scored.

    `predictions` has the answers by prediction id, None where skipped; `measurements` JSON data by name;
    `ticks` the rubric lines ticked; `help_used` what was opened before answering (hints, the reference).
    """

    profile: str
    id: str
    question: str
    started: float
    changed: float
    finished: float | None = None
    text: str = ""
    predictions: dict[str, Answer | None] = field(default_factory=dict)
    measurements: dict[str, Any] = field(default_factory=dict)
    ticks: tuple[str, ...] = ()
    help_used: tuple[str, ...] = ()
    seconds: float = 0.0
    tier: Points | None = None


class Attempts:
    """All attempts of a store. Each change is one transaction on the newest state, so that two tabs of one
    person add to each other; the attempt that is returned is what the store holds then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, profile: str, question: str) -> Attempt:
        """The unfinished attempt at a question, or a new one."""
        with self._database.write() as connection:
            lock_profile(connection, profile)
            attempts = read_attempts(connection, profile, question)
            if attempt := next((attempt for attempt in attempts if attempt.finished is None), None):
                if attempt.id != attempts[0].id:  # an import brought a scored one on top of it
                    put_on_top(connection, profile, [attempt])
                return attempt
            moment = now()
            attempt = Attempt(profile, new_id(), question, moment, moment)
            add_attempts(connection, profile, [attempt])
            return attempt

    def add(self, attempt: Attempt) -> Attempt:
        """Keep an attempt that was made elsewhere, such as in a mock interview, as the newest.

        One at its question that is open stays below it until this one is scored. Where an attempt with this
        id is there already, it stays as it is and is returned.
        """
        with self._database.write() as connection:
            lock_profile(connection, attempt.profile)
            stored = get_attempt(connection, attempt.profile, attempt.id)
            if stored is None:
                add_attempts(connection, attempt.profile, [attempt])
            return stored or attempt

    def of(self, profile: str, question: str | None = None) -> tuple[Attempt, ...]:
        """All attempts, or those at one question; newest first, unfinished ones too."""
        with self._database.read() as connection:
            return read_attempts(connection, profile, *([] if question is None else [question]))

    def at(self, profile: str, questions: Collection[str]) -> tuple[Attempt, ...]:
        """All attempts at several questions, newest first."""
        with self._database.read() as connection:
            return read_attempts(connection, profile, *questions) if questions else ()

    def with_ids(self, profile: str, ids: Collection[str]) -> tuple[Attempt, ...]:
        """Those of a profile's attempts that have one of these ids."""
        wanted = select(_TABLE).where(_TABLE.c.profile == profile, _TABLE.c.id.in_(ids))
        with self._database.read() as connection:
            return tuple(map(_attempt, connection.execute(wanted).mappings()))

    def stamps(self, profile: str) -> dict[str, tuple[object, ...]]:
        """By question, numbers that change whenever one of its attempts does; no clock need go forward."""
        question = _TABLE.c.question
        numbers = (func.count(), func.sum(_TABLE.c.changed), func.sum(_TABLE.c.serial))
        statement = select(question, *numbers).where(_TABLE.c.profile == profile).group_by(question)
        with self._database.read() as connection:
            return {name: tuple(found) for name, *found in connection.execute(statement)}

    def predict(self, attempt: Attempt, prediction: str, answer: Answer | None) -> Attempt:
        """Commit a prediction, or skip it with None; one that was committed or skipped before stays."""
        assert not isinstance(answer, float) or math.isfinite(answer), "check_answer comes first"
        return self._change(
            attempt, lambda old: replace(old, predictions={prediction: plain(answer), **old.predictions})
        )

    def measure(self, attempt: Attempt, name: str, value: Any) -> Attempt:
        """Keep what was measured, JSON data; a later measurement of the same name replaces it."""
        return self._change(
            attempt, lambda old: replace(old, measurements={**old.measurements, name: plain(value)})
        )

    def update(
        self,
        attempt: Attempt,
        *,
        text: str | None = None,
        ticks: Collection[str] | None = None,
        help_used: Collection[str] = (),
        seconds: float = 0.0,
    ) -> Attempt:
        """Replace text or ticks; help only adds up, and seconds only grow."""
        return self._change(attempt, lambda old: _updated(old, text, ticks, help_used, seconds))

    def finish(
        self,
        attempt: Attempt,
        tier: Points,
        *,
        text: str | None = None,
        ticks: Collection[str] | None = None,
        help_used: Collection[str] = (),
        seconds: float = 0.0,
    ) -> Attempt:
        """Score the attempt, for good. Again with the same tier (a double click) changes nothing."""

        def finished(old: Attempt) -> Attempt:
            return replace(_updated(old, text, ticks, help_used, seconds), tier=tier, finished=now())

        return self._change(attempt, finished, again=tier)

    def _change(
        self, attempt: Attempt, changed: Callable[[Attempt], Attempt], *, again: Points | None = None
    ) -> Attempt:
        """Replace the stored attempt by what `changed` makes of it, and return that.

        Raises StoreError if it is scored already, except with the tier `again`: then it stays as it is.
        """
        with self._database.write() as connection:
            lock_profile(connection, attempt.profile)
            stored = get_attempt(connection, attempt.profile, attempt.id)
            if stored is None:
                raise StoreError(
                    "This attempt no longer exists: reload the page to begin another.", key="store.no_attempt"
                )
            if stored.finished is not None:
                if again == stored.tier:
                    return stored
                raise StoreError(
                    "This attempt is already scored: reload the page to begin another.", key="store.scored"
                )
            new = replace(changed(stored), changed=now())
            replace_attempt(connection, new)
            return new


def _updated(
    attempt: Attempt,
    text: str | None,
    ticks: Collection[str] | None,
    help_used: Collection[str],
    seconds: float,
) -> Attempt:
    return replace(
        attempt,
        text=attempt.text if text is None else clean_text(text),
        ticks=attempt.ticks if ticks is None else tuple(sorted(set(ticks))),
        help_used=(*attempt.help_used, *sorted(set(help_used) - set(attempt.help_used))),
        seconds=max(attempt.seconds, sound.seconds_of(seconds)),
    )


def get_attempt(connection: Connection, profile: str, attempt: str) -> Attempt | None:
    """One attempt of a profile, by its id."""
    statement = select(_TABLE).where(_TABLE.c.profile == profile, _TABLE.c.id == attempt)
    row = connection.execute(statement).mappings().first()
    return _attempt(row) if row else None


def add_attempts(connection: Connection, profile: str, attempts: Sequence[Attempt]) -> None:
    """Insert new attempts, the last of them the newest, inside a transaction that has locked the profile."""
    if attempts:
        first = next_serial(connection, _TABLE, profile)
        rows = [_row(attempt) | {"serial": serial} for serial, attempt in enumerate(attempts, first)]
        connection.execute(insert(_TABLE), rows)


def replace_attempt(connection: Connection, attempt: Attempt) -> None:
    """Replace a stored attempt, which keeps its place in the order."""
    connection.execute(update(_TABLE).where(_is(attempt)).values(_row(attempt)))


def put_on_top(connection: Connection, profile: str, attempts: Sequence[Attempt]) -> None:
    """Make stored attempts the newest, the last of them most of all."""
    for serial, attempt in enumerate(attempts, next_serial(connection, _TABLE, profile)):
        connection.execute(update(_TABLE).where(_is(attempt)).values(serial=serial))


def _is(attempt: Attempt) -> ColumnElement[bool]:
    return and_(_TABLE.c.profile == attempt.profile, _TABLE.c.id == attempt.id)


def _row(attempt: Attempt) -> dict[str, Any]:
    return asdict(attempt) | {"ticks": list(attempt.ticks), "help_used": list(attempt.help_used)}


def read_attempts(connection: Connection, profile: str, *questions: str) -> tuple[Attempt, ...]:
    """Attempts at all questions, or at these, newest first: in the order in which they began or were
    imported, whatever clocks said.
    """
    statement = select(_TABLE).where(_TABLE.c.profile == profile)
    if questions:
        statement = statement.where(_TABLE.c.question.in_(questions))
    rows = connection.execute(statement.order_by(_TABLE.c.serial.desc(), _TABLE.c.id)).mappings()
    return tuple(_attempt(row) for row in rows)


def _attempt(row: RowMapping) -> Attempt:
    """The attempt of a row, each value judged again."""
    finished = row["finished"] is not None
    return Attempt(
        profile=row["profile"],
        id=row["id"],
        question=row["question"],
        started=sound.moment_of(row["started"]),
        changed=sound.moment_of(row["changed"]),
        finished=sound.moment_of(row["finished"]) if finished else None,
        text=sound.text_of(row["text"]),
        predictions=sound.answers_of(row["predictions"]),
        measurements=sound.dictionary_of(row["measurements"]),
        ticks=sound.identifiers_of(row["ticks"]),
        help_used=sound.identifiers_of(row["help_used"]),
        seconds=sound.seconds_of(row["seconds"]),
        tier=sound.tier_of(row["tier"]) if finished else None,
    )

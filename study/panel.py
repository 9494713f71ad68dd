"""A panel: what several interviewers ticked for one candidate, how far they agree, and where they do not.

    marks = revealed(interview, events, members)     # None until everybody has handed in
    alpha(ratings(lines, marks))                     # 1 agrees, 0 is chance

Nobody sees another's ticks before all are final: until then `revealed` gives nothing. Keeps nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from study.interview import SHOWN, ticked
from study.store import Event, Interview, Member

Line = tuple[str, str]
"""A line of a rubric: its question's key and its id."""


RELIABLE, TENTATIVE = 0.8, 0.667
"""From where on alpha is relied on, and what allows tentative conclusions (Krippendorff, "Content analysis",
2004, p. 241)."""


@dataclass(frozen=True)
class Marks:
    """What one interviewer ticked, by question, in an interview in which `asked` was asked.

    `name` is "" for the one who led it.
    """

    name: str
    asked: frozenset[str]
    ticks: Mapping[str, frozenset[str]]

    def of(self, line: Line) -> bool | None:
        """Whether the line was ticked; None where its question was not asked."""
        question, name = line
        return name in self.ticks.get(question, frozenset()) if question in self.asked else None


@dataclass(frozen=True)
class Difficulty:
    """Of so many marks of a line, how many are ticks."""

    marks: int
    ticks: int

    @property
    def share(self) -> float:
        """The share of ticks, 0 to 1; an easy line has much."""
        return self.ticks / self.marks


def asked_in(interview: Interview, events: Iterable[Event]) -> frozenset[str]:
    """The questions that were shown."""
    return frozenset(event.question for event in events if event.kind == SHOWN) & set(interview.questions)


def revealed(
    interview: Interview, events: Sequence[Event], members: Sequence[Member]
) -> tuple[Marks, ...] | None:
    """Everybody's marks, the leader's first; None before the interview is over and all have handed in."""
    handed = [member.handed for member in members if member.handed is not None]
    if interview.finished is None or not members or len(handed) < len(members):
        return None
    last = max(interview.finished, *handed)  # from then on the leader sees the others' ticks
    before = [event for event in events if event.moment <= last]
    return leaders(interview, before), *(marks_of(member, asked_in(interview, events)) for member in members)


def leaders(interview: Interview, events: Sequence[Event]) -> Marks:
    """The marks of who led the interview."""
    asked = asked_in(interview, events)
    own = {question: [event for event in events if event.question == question] for question in asked}
    return Marks("", asked, {question: ticked(line) for question, line in own.items()})


def marks_of(member: Member, asked: frozenset[str]) -> Marks:
    """The marks of a member."""
    ticks = {question: frozenset(lines) for question, lines in member.ticks.items()}
    return Marks(member.name, asked, ticks)


def ratings(lines: Iterable[Line], marks: Sequence[Marks]) -> list[list[bool | None]]:
    """A row for each line, in it what each of the marks says of it."""
    return [[each.of(line) for each in marks] for line in lines]


def differing(lines: Iterable[Line], marks: Sequence[Marks]) -> tuple[Line, ...]:
    """The lines that some have ticked and others not."""
    return tuple(line for line in lines if len({each.of(line) for each in marks} - {None}) > 1)


def alpha(units: Iterable[Sequence[Hashable | None]]) -> float | None:
    """Krippendorff's alpha for nominal data: agreement beyond chance, 1 at most; None marks what is missing.

    None where it is undefined: fewer than two values were paired, or all of them are the same. After
    Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, section C: with n_c the values c that
    are paired, n all of them and o_cc the pairs that agree, 1 - (n - 1) (n - sum o_cc) / (n² - sum n_c²).

    >>> alpha([(1, 1), (0, 0), (1, 1), (0, 0)]), alpha([(1, 0), (0, 1)])
    (1.0, -0.5)
    """
    values: Counter[Hashable] = Counter()
    agreeing = 0.0
    for unit in units:
        counts = Counter(value for value in unit if value is not None)
        size = counts.total()
        if size >= 2:
            values += counts
            agreeing += sum(count * (count - 1) for count in counts.values()) / (size - 1)
    total = values.total()
    by_chance = total**2 - sum(count**2 for count in values.values())
    return 1 - (total - 1) * (total - agreeing) / by_chance if by_chance else None


def everywhere(
    interviews: Iterable[tuple[Interview, Sequence[Event]]], members: Iterable[Member]
) -> tuple[Marks, ...]:
    """The marks of all leaders and of all members who have handed in, over many interviews."""
    asked, found = {}, []
    for interview, events in interviews:
        asked[interview.profile, interview.id] = asked_in(interview, events)
        found.append(leaders(interview, events))
    for member in members:
        if member.handed is not None and (place := (member.profile, member.interview)) in asked:
            found.append(marks_of(member, asked[place]))
    return tuple(found)


def difficulties(marks: Iterable[Marks], lines: Iterable[Line]) -> dict[Line, Difficulty]:
    """How often each line was ticked, over all marks of all interviews in which its question was asked."""
    marks, found = tuple(marks), {}
    for line in lines:
        given = [ticked for each in marks if (ticked := each.of(line)) is not None]
        if given:
            found[line] = Difficulty(len(given), sum(given))
    return found

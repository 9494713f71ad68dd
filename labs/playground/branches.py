"""Where a text starts, and how it branches: the model writes on from another token than it chose.

A branch is asked for as text, the prompt with all that is kept of the old text, so that one command repeats
it. Pure, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, Self, TypedDict


class Alternative(TypedDict):
    """A token that could stand at a place. `id` to `special` are `TextReader`'s."""

    id: int
    token: str
    text: str
    open: bool
    special: bool
    probability: float
    """The model's own."""
    filtered: float
    """After every setting; 0 where they cut it off."""


class Step(Alternative):
    """The token that stands there, and the most likely ones, the likeliest first."""

    rank: int
    """By the model's own probability; 1 is the most likely."""
    kept: int
    """Tokens that the settings left to choose from."""
    alternatives: list[Alternative]
    by_hand: NotRequired[bool]
    """A person chose it."""


@dataclass(frozen=True)
class Start:
    """A prompt, and the tokens of an earlier text that are kept; the last of them a person chose."""

    prompt: str
    kept: tuple[Step, ...] = ()

    @property
    def text(self) -> str:
        """What the model is given to continue."""
        return self.prompt + readable(self.kept)

    def branch(self, written: Sequence[Step], index: int, token_id: int) -> Self | None:
        """The start that takes alternative `token_id` at `index`, counted over `kept` and then `written`.

        None where there is no such alternative, or where it is no text to go on from.
        """
        steps = [*self.kept, *written]
        if not 0 <= index < len(steps):
            return None
        step = steps[index]
        chosen = next((other for other in step["alternatives"] if other["id"] == token_id), None)
        if chosen is None or not leads_on(chosen):
            return None
        by_hand: Step = {**step, **chosen, "by_hand": True}
        return type(self)(self.prompt, (*steps[:index], by_hand))


def leads_on(alternative: Alternative) -> bool:
    """Whether a text can be continued from this token: not from its end, nor from half a character."""
    return not (alternative["special"] or alternative["open"])


def readable(steps: Sequence[Step]) -> str:
    """The text of the steps."""
    return "".join(step["text"] for step in steps)


def closed(steps: Sequence[Step]) -> list[Step]:
    """The steps of a text that has ended: bytes that still wait become U+FFFD, as the tokenizer has it."""
    if not steps or not steps[-1]["open"]:
        return list(steps)
    last = steps[-1]
    return [*steps[:-1], {**last, "text": last["text"] + "\N{REPLACEMENT CHARACTER}", "open": False}]

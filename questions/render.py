"""Fills the placeholders of a question's texts.

    {given.NAME}               the problem's own data
    {Q13-C1}  {Q13-C1.NAME}    a claim's value, or one item of it (in a list, .1 is the first)
    {Q13-C1.said}              what is commonly said, as a number; {Q13-C1.said.NAME} one item
    {Q13-C1.truth}  .common  .statement     the claim's own sentences
    {value}  {said}  and their items        the same, inside a claim's own texts

A list is written as in a sentence, "10, 5 and 4"; one that is a shape, ids or logits stands in backticks,
`{given.logits}`, and is written as code. Fenced code stays as it is. Does not turn Markdown into HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from questions.claims import Claim
from questions.entry import Localized
from questions.schema import Question
from questions.values import Value, as_code, part, shown

_PATH = r"(?:\.\w+)*"
PLACEHOLDER = re.compile(rf"\{{((?:given|value|said|Q\d+-C\d+){_PATH})\}}")
_FENCE_OR_PLACEHOLDER = re.compile(rf"(?ms:^```.*?^```)|(?P<tick>`?){PLACEHOLDER.pattern}(?P=tick)")
_TEXTS = ("statement", "common", "truth")
_TO_BE_MEASURED = {"en": "(measured in the lab)", "zh": "（以实测为准）"}


@dataclass(frozen=True)
class Renderer:
    """Texts of one question in one language.

    `measured` gives values by claim id where a claim has none of its own, from a recorded run; `sources`
    what is said after such a value of where it comes from.

        Renderer(question, "zh").text(question.hints[0])
    """

    question: Question
    language: str
    measured: Mapping[str, Value] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def text(self, text: Localized, claim: Claim | None = None) -> str:
        """The text in this language; `claim` is whose {value} and {said} it may name."""
        return self.fill(text[self.language], claim)

    def fill(self, template: str, claim: Claim | None = None) -> str:
        """`template` with every placeholder filled. Raises LookupError for one that names nothing."""

        def replace(match: re.Match[str]) -> str:
            return self._filled(match[2], claim, bool(match[1])) if match[2] else match[0]

        filled = _FENCE_OR_PLACEHOLDER.sub(replace, template)
        return filled if claim is None else self._told_once(filled)

    def _told_once(self, text: str) -> str:
        """A claim's text with its measured values' source behind the last one, where all have the same."""
        sources = [source for source in set(self.sources.values()) if source and source in text]
        if len(sources) != 1:
            return text
        [source] = sources
        before, _, after = text.rpartition(source)
        return before.replace(source, "") + source + after

    def diagram(self, name: str) -> str:
        """The SVG called `name` with its numbers filled in; what is code there is so by its look."""
        return self.fill(self.question.diagrams[name].of_language(self.language)).replace("`", "")

    def value(self, claim: Claim, path: tuple[str, ...] = (), *, code: bool = False) -> str:
        """A claim's value with its unit, or in `code`, or words that say that it is measured."""
        if claim.value is not None:
            return self._shown(part(claim.value, path), self._unit(claim), code)
        if claim.kind != "measured":
            raise LookupError(f"{claim.id} has no value")
        if claim.id not in self.measured:
            return _TO_BE_MEASURED[self.language]
        measured = self._shown(part(self.measured[claim.id], path), self._unit(claim), code)
        return measured + self.sources.get(claim.id, "")

    def said(self, claim: Claim, path: tuple[str, ...] = (), *, code: bool = False) -> str:
        """What is commonly said, with the unit or in `code`."""
        if claim.said is None:
            raise LookupError(f"{claim.id} has no `said`")
        return self._shown(part(claim.said, path), self._unit(claim), code)

    def _shown(self, value: Value, unit: str, code: bool) -> str:
        return f"`{as_code(value)}`" if code else shown(value, unit, self.language)

    def _unit(self, claim: Claim) -> str:
        return claim.unit[self.language] if claim.unit else ""

    def _filled(self, placeholder: str, claim: Claim | None, code: bool) -> str:
        head, *names = placeholder.split(".")
        path = tuple(names)
        if head == "given":
            return self._shown(part(self.question.given, path), "", code)
        if head in ("value", "said"):
            if claim is None:
                raise LookupError(f"{head} has a meaning in a claim's own texts only")
            return (self.value if head == "value" else self.said)(claim, path, code=code)
        try:
            named = self.question.claim(head)
        except KeyError as error:
            raise LookupError(f"there is no claim {head}") from error
        return self._of_claim(named, path, code)

    def _of_claim(self, claim: Claim, path: tuple[str, ...], code: bool) -> str:
        first = path[0] if path else ""
        if first in _TEXTS:
            text: Localized | None = getattr(claim, first)
            if text is None or len(path) > 1:
                raise LookupError(f"{claim.id} has no {'.'.join(path)}")
            return self.text(text, claim)
        if first == "said":
            return self.said(claim, path[1:], code=code)
        return self.value(claim, path, code=code)


def placeholders(template: str) -> list[str]:
    """What a text names, sorted.

    >>> placeholders("{Q6-C1} and {given.length}")
    ['Q6-C1', 'given.length']
    """
    return sorted(match[2] for match in _FENCE_OR_PLACEHOLDER.finditer(template) if match[2])

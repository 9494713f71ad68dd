"""The texts of one language: those of the pages, and those of a lab once the first of them is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pages.ui.experiments import registry


class Catalogue(Mapping[str, str]):
    """Texts by dotted key, such as "home.title" or "q13.axis.kept".

    `own` are the pages' texts; `name` is the labs' file of words, such as "en" or "errors_zh". A page's text
    comes before a lab's of the same key. Raises WordsError for a lab whose file is broken.
    """

    def __init__(self, own: Mapping[str, str], name: str) -> None:
        self.own, self._name = own, name
        self._labs: dict[str, dict[str, str]] = {}

    def __getitem__(self, key: str) -> str:
        if key in self.own:
            return self.own[key]
        lab, _, rest = key.partition(".")
        if lab not in registry().labs or rest not in self.of_lab(lab):
            raise KeyError(key)
        return self.of_lab(lab)[rest]

    def __iter__(self) -> Iterator[str]:
        labs = (f"{lab}.{key}" for lab in registry().labs for key in self.of_lab(lab))
        return iter(dict.fromkeys([*labs, *self.own]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def of_lab(self, lab: str) -> Mapping[str, str]:
        """The texts of one lab by their keys there, read once. Raises WordsError."""
        if lab not in self._labs:
            self._labs[lab] = registry().words(lab, self._name)
        return self._labs[lab]

"""What an experiment's formula says of this machine, once its card is measured, and of the recorded ones."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from labs.claims.recordings import recorded
from labs.contract import Experiment, Params
from labs.contract.machine import Machine
from labs.machine.card import machine_of
from pages.ui import experiments
from pages.ui.lab import runs
from pages.ui.words.i18n import plain, t, words_of_lab

CARD = "machine/card"


def lines(experiment: Experiment, params: Params) -> None:
    """Draw one line a machine; nothing where the experiment says nothing of machines.

    A machine that nobody measured yet is spoken of by where to have that done.
    """
    if type(experiment).on_machine is Experiment.on_machine:
        return
    said = [(name, _said(experiment, params, machine)) for name, machine in _recorded()]
    here = _here()
    if here is not None:
        said.insert(0, (plain("on_machine.here", device=here.name), _said(experiment, params, here)))
    lines = [t("on_machine.line", machine=name, said=sentence) for name, sentence in said if sentence]
    if here is None:
        lines.append(t("on_machine.unknown"))
    st.caption("  \n".join(lines))


def _said(experiment: Experiment, params: Params, machine: Machine) -> str:
    return experiment.on_machine(params, machine, words_of_lab(experiment.lab))


def _here() -> Machine | None:
    """Measured in this session, or kept from another day for what the labs run on now."""
    card = experiments.experiment(CARD)
    job = runs.current(card, card.params())
    return None if job is None or job.result is None else machine_of(job.result)  # type: ignore[arg-type]


def _recorded() -> Iterator[tuple[str, Machine]]:
    """GPUs first; a CPU's card would say little about another's."""
    for record in recorded(CARD):
        if record["device"] != "cpu":
            yield plain("on_machine.recorded", device=record["device_name"]), machine_of(record["result"])

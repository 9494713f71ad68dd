"""What is counted and drawn of replicas behind a balancer, one of which is slow or dead."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from labs.contract import Words
from labs.contract.drawing import Figure, Role
from labs.q14_serving.unsteady import Balance

DURATION = 60
"""Seconds simulated."""
ROLES: dict[Balance, Role] = {"round_robin": "said", "random": "peer", "two": "peer", "least": "measured"}
SEEN = ("share", "failed", "in_time_percent", "p50", "p95", "p99")


class ByBalance(TypedDict):
    """Of one balancer. `share`: percent of its requests that went to the victim first, while unnoticed.

    All else is of those that came from the beginning of the misfortune on: percent answered in time, failed,
    milliseconds of the answered. `windows`: percent in time of those that came in each two seconds of the
    run; None where nobody came. `late_until`: seconds from the end of the misfortune to that of the last
    window that was not well; 0 where all were.
    """

    share: float | None
    failed: int
    in_time_percent: float
    p50: float
    p95: float
    p99: float
    windows: list[float | None]
    late_until: float


class BalancingResult(TypedDict):
    """`shares`: percent that the victim gets, by hand; None where no formula is simple enough.

    `victim_capacity`: requests a second that it can answer during its misfortune.
    """

    trouble: str
    slowness: float
    notice: float
    retry: bool
    replicas: int
    rate: float
    goal: float
    seconds: list[float]
    shares: dict[str, float | None]
    unnoticed: float
    victim_capacity: float
    balances: NotRequired[dict[str, ByBalance]]


def in_time_figure(result: BalancingResult, text: Words) -> Figure:
    """A line a balancer: percent of those who came in each two seconds."""
    figure = Figure()
    for name, seen in result["balances"].items():
        figure.line(
            result["seconds"],
            seen["windows"],
            ROLES[name],  # type: ignore[index]
            text(f"balance.{name}"),
            hover="%{x:g} s: %{y:.0f}%",
            width=2.5 if name == "least" else 1.5,
            symbol="diamond" if name == "two" else None,  # two of one role: told apart by more than a shade
            size=6 if name == "two" else None,
        )
    figure.x_axis(text("axis.seconds"), span=(0, 1.02 * DURATION))
    figure.y_axis(text("axis.in_time"), span=(0, 104))
    return figure


def shares_figure(result: BalancingResult, text: Words) -> Figure:
    """What was counted above what is known by hand; nothing where nobody came, or no formula is known."""
    figure, balances = Figure(height=340, barmode="group"), result["balances"]
    names = [text(f"balance.{name}") for name in balances]
    counted = [seen["share"] for seen in balances.values()]
    known = [result["shares"][name] for name in balances]
    kinds: tuple[tuple[Role, str, list[float | None]], ...] = (
        ("measured", "simulated", counted),
        ("formula", "by_hand", known),
    )
    for role, name, shares in kinds:
        labels = ["" if share is None else f"{share:.1f}%" for share in shares]
        figure.bars(shares, names, role, text(name), horizontal=True, labels=labels, hover="%{y}: %{x:.1f}%")
    most = max(share for share in [*counted, *known] if share is not None)
    figure.x_axis(text("axis.victim"), span=(0, 1.2 * most))
    figure.y_axis(reverse=True)
    return figure


def notes(result: BalancingResult, text: Words) -> list[str]:
    """What each way does, why, and what helps further."""
    said: dict[str, object] = {
        f"{name}_{key}": seen[key]  # type: ignore[literal-required]
        for name, seen in result["balances"].items()
        for key in (*SEEN, "late_until")
    }
    said |= {key: result[key] for key in ("slowness", "notice", "replicas", "goal", "unnoticed")}
    each = result["rate"] / result["replicas"]
    said |= {"each": each, "capacity": result["victim_capacity"]}
    if result["trouble"] == "none":
        return [text("balancing.none", **said)]
    known = result["balances"]["least"]["share"] is not None
    said_first = [text("balancing.sentence", **said)] if known else []
    if result["trouble"] == "slow":
        full = "overfull" if each > result["victim_capacity"] else "enough"
        return [
            *said_first,
            text(f"balancing.{full}", **said),
            text("balancing.least", **said),
            text("balancing.unseen"),
        ]
    if not result["unnoticed"]:
        return [*said_first, text("balancing.at_once", **said)]
    way = "retried" if result["retry"] else "hole"
    return [*said_first, text(f"balancing.{way}", **said), text("balancing.ours")]

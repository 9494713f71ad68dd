"""Slots as servers of one queue: M/M/c by Erlang, and M/G/c by how much the service times vary.

Arrivals are Poisson, `load` is in erlangs (arrivals a second times seconds of service) and below `servers`.
"""

from __future__ import annotations

from labs.q14_serving.queueing import UNIFORM_SPREAD


def erlang_wait(load: float, servers: int) -> float:
    """Probability that a request has to wait, M/M/c with `load` erlangs below `servers`.

    >>> erlang_wait(0.5, 1)
    0.5
    """
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mean_wait(load: float, servers: int, service: float, variation: float = 1.0) -> float:
    """Mean wait, in the unit of the mean `service` time, whose squared coefficient of variation is given.

    Lee and Longton (1959): that of M/M/c times (1 + variation) / 2. Exact for exponential service (1), and
    for one server (Pollaczek 1930); else an approximation, a few percent off where the servers are busy.

    >>> mean_wait(0.5, 1, 100.0), mean_wait(0.5, 1, 100.0, 0.0)
    (100.0, 50.0)
    """
    return (1 + variation) / 2 * erlang_wait(load, servers) * service / (servers - load)


def variation_of(lengths: str, mean: int) -> float:
    """Squared coefficient of variation of fixed, uniform or geometric lengths (`lengths_of`)."""
    if lengths == "geometric":
        return 1 - 1 / mean
    half = int(UNIFORM_SPREAD * mean)
    return half * (half + 1) / 3 / mean**2 if lengths == "uniform" else 0.0

"""The claims of Question 14 that follow from formulas, a seeded simulation, or asyncio itself, recomputed.

The simulation uses nothing but the numbers of the commonly shown table. Imports no torch.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from labs.claims.checks import Check
from labs.q14_serving.buckets import DEFAULT, cumulative, histogram_quantile
from labs.q14_serving.curves import SECOND, given, given_list, latency_of, table_line
from labs.q14_serving.erlang import erlang_wait, mean_wait
from labs.q14_serving.event_loops import blocked_loop, starving, two_queues
from labs.q14_serving.queueing import percentile
from labs.q14_serving.table_service import SIMULATED_SECONDS, p95, served, table_curve
from labs.q14_serving.unsteady import share_of_dead, share_of_slow
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import kv_cache_bytes

MEGA = 10**6


def little() -> dict[str, float]:
    """Requests in flight at the two latencies."""
    return {
        "at_latency": given("rate") * given("latency") / SECOND,
        "at_reply": given("rate") * given("reply") / SECOND,
    }


def table_latencies() -> dict[str, Any]:
    """What the table implies for one request, and the throughput had latency stayed constant."""
    batches, rates = given_list("table_batches"), given_list("table_rates")
    alpha, beta = table_curve()
    latencies = SECOND * batches / rates
    fitted = given("tokens") * (alpha + beta * batches)
    return {
        "latencies": [round(time) for time in latencies],
        "alpha": alpha,
        "beta": beta,
        "off_percent": float(100 * abs(fitted / latencies - 1).max()),
        "constant": round(batches[-1] * SECOND / given("latency")),
    }


@cache
def two_are_not_enough() -> dict[str, float]:
    """Utilisation of two GPUs, and the fewest whose P95 meets the goal under each of three seeds."""
    needed = next(n for n in range(1, 20) if all(p95(served(n, seed=s)) < given("goal") for s in range(3)))
    return {"utilization": given("rate") / (2 * given_list("table_rates")[-1]), "needed": needed}


def mean_and_tail() -> dict[str, float]:
    """P95 of exponential service with the mean latency, nobody waiting."""
    return {"mean": given("latency"), "p95": round(-given("latency") * math.log(0.05))}


def closed_loop() -> dict[str, float]:
    """Rate and number of requests of a loop that sleeps, sends and waits for the answer."""
    pause, now, sent = SECOND / given("rate"), 0.0, 0
    while now < given("seconds") * SECOND:
        now, sent = now + pause + given("reply"), sent + 1
    return {"rate": SECOND / (pause + given("reply")), "sent": sent}


def freeze() -> dict[str, float]:
    """P99 in a closed loop and P95, P99 in an open one, where the server freezes once in the middle."""
    begin = given("seconds") * SECOND / 2
    end, quick, pause = begin + given("freeze") * SECOND, given("quick"), SECOND / given("rate")

    def latency(sent: float) -> float:
        return (end - sent if begin <= sent < end else 0) + quick

    closed, now = [], pause
    while now < given("seconds") * SECOND:
        closed.append(latency(now))
        now += closed[-1] + pause
    opened = [latency(pause * index) for index in range(int(given("rate") * given("seconds")))]
    return {
        "closed_p99": percentile(closed, 99),
        "open_p95": percentile(opened, 95) / SECOND,
        "open_p99": percentile(opened, 99) / SECOND,
    }


def queue_bound() -> dict[str, float]:
    """Seconds in a full queue, the queue that keeps to the allowed wait, and a second over the goal."""
    return {
        "seconds": given("queue") / given("rate"),
        "fits": given("rate") * given("wait") / SECOND,
        "timeout": SECOND / given("goal"),
    }


def never_down() -> dict[str, float]:
    """The fastest request of the table against the threshold for scaling down."""
    return {"fastest": min(table_latencies()["latencies"]), "threshold": given("scale_down_below")}


def preallocated() -> float:
    """Gigabytes that the engine takes at start."""
    return given("share") * given("card")


def busy_but_idle() -> dict[str, float]:
    """Busy time in percent and rows in flight of one replica at a quiet rate."""
    outcome = served(1, rate=given("quiet_rate"))
    return {"busy_percent": 100 * outcome.busy_share, "in_flight": outcome.mean_in_flight}


def default_buckets() -> dict[str, Any]:
    """The last finite bound, the P95 of four and five GPUs in milliseconds, and what is read of each."""
    runs = [served(gpus) for gpus in (4, 5)]
    times = [[latency / SECOND for latency in run.latencies] for run in runs]
    read = [histogram_quantile(0.95, DEFAULT, cumulative(each, DEFAULT), len(each)) for each in times]
    return {
        "last": DEFAULT[-1],
        "true": [p95(run) for run in runs],
        "read": [SECOND * reading.value for reading in read],
    }


def by_outstanding() -> dict[str, float]:
    """Percent of the requests that one of five replicas gets: as all, four times slower, dead."""
    replicas, alone = 5, latency_of(table_line(), 1, given("tokens"))
    return {
        "equal": 100 / replicas,
        "slow": 100 * share_of_slow(4, replicas),
        "dead": 100 * share_of_dead(given("rate") * alone / SECOND, replicas),
    }


def lengths_matter() -> dict[str, float]:
    """P95 of the needed GPUs with three kinds of output length of one mean, and of a lone long reply."""
    needed, (alpha, beta) = int(two_are_not_enough()["needed"]), table_curve()
    return {
        **{kind: p95(served(needed, lengths=kind)) for kind in ("fixed", "uniform", "geometric")},
        "alone": 90 * (alpha + beta),
    }


def erlang() -> dict[str, Any]:
    """Mean and P95 of the wait in milliseconds with 32, 36 and 40 slots; Little gives the load."""
    load, service = little()["at_latency"], given("latency")
    means, tails = [], []
    for slots in (32, 36, 40):
        waits, drain = erlang_wait(load, slots), (slots - load) / service
        means.append(waits / drain)
        tails.append(round(max(0.0, math.log(waits / 0.05) / drain)))
    return {"mean": means, "p95": tails}


def equal_lengths() -> list[float]:
    """Mean wait in milliseconds with 32, 36 and 40 slots where all service times are equal, M/D/c."""
    load, service = little()["at_latency"], given("latency")
    return [mean_wait(load, slots, service, 0.0) for slots in (32, 36, 40)]


def prefill_capacity() -> dict[str, float]:
    """Requests a second of a table's full GPU: decode steps only, and a pass of alpha for each prompt."""
    line = table_line()
    alone, mixed = (
        line.requests_per_second(given("cap"), given("tokens"), prefill) for prefill in (0.0, line.alpha)
    )
    return {"decode": alone, "with_prefill": mixed}


def static_batches() -> dict[str, float]:
    """P95 of the needed GPUs with uniform lengths, rows joining at any step or only at the next batch."""
    needed = int(two_are_not_enough()["needed"])
    return {
        name: p95(served(needed, lengths="uniform", static=name == "static"))
        for name in ("continuous", "static")
    }


def by_replicas() -> dict[str, Any]:
    """P95 with fixed lengths: two GPUs after a minute and later, the range of five seeds; then more GPUs."""

    def range_of_two(seconds: float) -> list[float]:
        seen = [p95(served(2, seconds=seconds, seed=seed)) for seed in range(5)]
        return [min(seen), max(seen)]

    return {
        "two_after_minute": range_of_two(given("seconds")),
        "two_later": range_of_two(SIMULATED_SECONDS),
        "three": p95(served(3)),
        "four": p95(served(4)),
        "five": p95(served(5)),
    }


def rows_by_hand() -> dict[str, list[float]]:
    """Rows of two, three and four GPUs; of the last two, what a request takes, mean and tail."""
    alpha, beta = table_curve()
    shares = [given("rate") * given("tokens") / gpus / SECOND for gpus in (2, 3, 4)]  # tokens per ms
    rows = [share * alpha / (1 - share * beta) for share in shares]

    def latency(row: float) -> float:
        return float(round(given("tokens") * (alpha + beta * row)))

    stable = [row for row in rows if row < given("cap")]
    tail = [latency(row + 1.65 * math.sqrt(row)) for row in stable]
    return {"rows": rows, "mean": [latency(row) for row in stable], "tail": tail}


def prefill_share() -> dict[str, float]:
    """Percent of a GPU that a pass of its own for each prompt takes, at the constant of a step."""
    alpha, _ = table_curve()
    return {name: 100 * given("rate") / n * alpha / SECOND for name, n in (("three", 3), ("four", 4))}


def cache_limit() -> dict[str, int]:
    """Bytes of cache a token of an 8B model takes, and requests of 2000 tokens beside its weights."""
    per_token = 2 * 32 * 8 * 128 * 2
    free = int(preallocated() - 16) * 10**9
    return {"per_token": per_token, "requests": free // per_token // 2000}


def late_scaling() -> dict[str, float]:
    """Seconds of waiting behind a hundred, and what piles up while a replica starts for 30 s, 50 a second."""
    return {"behind": 100 / given("rate"), "backlog": 30 * 50}


def streaming_goal() -> dict[str, float]:
    """Milliseconds for each token after the first, and the rows whose step is that short."""
    alpha, beta = table_curve()
    per_token = (given("goal") - 100) / (given("tokens") - 1)
    return {"per_token": per_token, "rows": math.floor((per_token - alpha) / beta)}


def batch_window() -> dict[str, float]:
    """Requests that a window catches, its batch, and those that arrive while one request decodes."""
    caught = given("rate") * given("window") / SECOND
    return {"caught": caught, "batch": caught + 1, "while_decoding": little()["at_latency"]}


def cost() -> dict[str, float]:
    """Tokens a second that are needed, and dollars per million of them on one card."""
    tokens = given("rate") * given("tokens")
    return {"tokens_per_second": tokens, "dollars": given("price") / (3600 * tokens) * MEGA}


def cache_of_the_load() -> float:
    """Megabytes of cache for 64 requests of 150 tokens."""
    return kv_cache_bytes(ModelConfig(), 64, 150) / MEGA


CHECKS: dict[str, Check] = {
    "Q14-C1": little,
    "Q14-C2": table_latencies,
    "Q14-C3": two_are_not_enough,
    "Q14-C4": mean_and_tail,
    "Q14-C5": lambda: closed_loop()["rate"],
    "Q14-C6": lambda: closed_loop()["sent"],
    "Q14-C7": freeze,
    "Q14-C9": queue_bound,
    "Q14-C10": blocked_loop,
    "Q14-C12": two_queues,
    "Q14-C14": never_down,
    "Q14-C15": preallocated,
    "Q14-C16": busy_but_idle,
    "Q14-C17": default_buckets,
    "Q14-C22": lengths_matter,
    "Q14-C23": erlang,
    "Q14-C24": static_batches,
    "Q14-C25": by_replicas,
    "Q14-C26": batch_window,
    "Q14-C27": cost,
    "Q14-C28": cache_of_the_load,
    "Q14-C29": starving,
    "Q14-C31": rows_by_hand,
    "Q14-C32": prefill_share,
    "Q14-C33": cache_limit,
    "Q14-C34": late_scaling,
    "Q14-C35": streaming_goal,
    "Q14-C36": equal_lengths,
    "Q14-C37": prefill_capacity,
    "Q14-C38": by_outstanding,
}

"""One worker somewhere in a Ray cluster seen from the web process: what `process.py` is for this machine.

An actor (`cluster_relay.py`) takes a GPU of the cluster, starts there the worker that would be started here,
and passes its messages on. The cluster is reached through Ray's client port, so that one that goes away takes
no web server with it. Ray is an optional package, imported by the threads of this file alone.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labs.runner import protocol
from labs.runner.failures import cannot_start
from labs.runner.process import EventHandler
from labs.runner.protocol import Message
from minimind_core.errors import ConfigError, DeviceError, MiniMindError

LOCAL = "local"
MAX_WORKERS = 256
_LOOK_SECONDS = 1.0
"""How often a worker that waits for a free place looks whether it is still wanted."""
_ATTEMPTS = 3
"""How often a cluster is called that may be starting; Ray itself waits some 25 s each time."""
_connecting = threading.Lock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """The address of a cluster's client port, and how many workers of it this server uses."""

    address: str
    workers: int = 1


def cluster_of(runner: str) -> Cluster | None:
    """The cluster that a setting names; None for "local". Raises ConfigError.

    >>> cluster_of("ray://head:10001?workers=4")
    Cluster(address='ray://head:10001', workers=4)
    """
    if runner == LOCAL:
        return None
    with contextlib.suppress(ValueError):
        parts = urlsplit(runner)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        workers = int(query.pop("workers", ["1"])[-1])
        rest = query or parts.path or parts.fragment
        if (
            parts.scheme == "ray"
            and parts.hostname
            and parts.port
            and not rest
            and 1 <= workers <= MAX_WORKERS
        ):
            return Cluster(f"ray://{parts.netloc}", workers)
    raise ConfigError(
        f"The runner {runner!r} is not known; write {LOCAL}, or ray://host:10001?workers=4 for a cluster "
        f"(1 to {MAX_WORKERS} workers).",
        key="runner.unknown",
        runner=runner,
        most=MAX_WORKERS,
    )


class ClusterWorker:
    """Starts at once, as `WorkerProcess` does, and waits as long as the cluster has no free place for it.

    `on_event(self, message)` is called from a thread of this object, in order. Besides the worker's own
    messages: status "starting" while it waits, and status "dead" with a sentence where it cannot be started.
    The last is the exit event; its code is None where the cluster lost the worker.
    """

    def __init__(self, address: str, config: Mapping[str, Any], on_event: EventHandler) -> None:
        self._address, self._config, self._on_event = address, dict(config), on_event
        self._orders: queue.SimpleQueue[Callable[[Any], object] | None] = queue.SimpleQueue()
        self._killed = threading.Event()
        self._thread = threading.Thread(target=self._live, name="cluster-worker", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Send, or do nothing when the worker is gone: its exit event comes anyway."""
        packed = protocol.pack(message)
        self._orders.put(lambda actor: actor.send.remote(packed))

    def kill(self) -> None:
        """End the actor, and with it the worker and its children. The exit event follows."""
        self._killed.set()
        self._orders.put(_kill)

    def join(self, timeout: float) -> None:
        """Wait until the worker is gone."""
        self._thread.join(timeout)

    def _live(self) -> None:
        code = None
        try:
            actor, said = self._placed()
        except Exception as error:
            if not self._killed.is_set():
                refused = {"event": "status", "state": "dead", "error": cannot_start(_in_a_line(error))}
                self._on_event(self, refused)
        else:
            code = self._pass_on(actor, said)
            self._orders.put(_kill)  # gives its place back
        self._orders.put(None)
        self._on_event(self, {"event": "exit", "code": code})

    def _placed(self) -> tuple[Any, list[bytes]]:
        """The actor, once it has its place, and the first that its worker said."""
        ray = connect(self._address)
        actor = _create(ray, self._config)
        threading.Thread(target=self._give_orders, args=(actor,), daemon=True).start()
        said = actor.take.remote()
        while not ray.wait([said], timeout=_LOOK_SECONDS)[0]:
            self._on_event(self, {"event": "status", "state": "starting"})
        return actor, ray.get(said)

    def _pass_on(self, actor: Any, said: list[bytes]) -> int | None:
        """Pass on what the worker says until its exit. Returns its code; None where the cluster lost it."""
        import ray

        try:
            while True:
                for message in map(protocol.unpack, said):
                    if message["event"] == "exit":
                        return message["code"]
                    self._on_event(self, message)
                said = ray.get(actor.take.remote())
        except Exception as error:
            if not self._killed.is_set():
                _log.warning("The cluster lost a worker: %s", _in_a_line(error))
            return None

    def _give_orders(self, actor: Any) -> None:
        """In a thread of its own: where the cluster does not answer, this may wait for long."""
        while (order := self._orders.get()) is not None:
            with contextlib.suppress(Exception):  # gone: the other thread sees it too
                order(actor)


def connect(address: str) -> Any:
    """The module `ray`, connected to the cluster; one process has one connection. Raises MiniMindError."""
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "Ray is not installed here; run pip install -r requirements-cluster.txt.", key="cluster.no_ray"
        ) from None
    with _connecting:
        for _ in range(_ATTEMPTS):
            if ray.is_initialized():
                return ray
            with contextlib.suppress(ConnectionError):
                ray.shutdown()  # one that was lost and not closed still counts, and a second is refused
                ray.init(address)
                return ray
    raise DeviceError(
        f"The Ray cluster at {address} does not answer; start it as docs/cluster.md says.",
        key="cluster.no_answer",
        address=address,
    )


def _create(ray: Any, config: Mapping[str, Any]) -> Any:
    """An actor for the worker: on a GPU where one is asked for, or where the cluster has one and may choose.

    Any other device gets a place at once, and the worker there says what is wrong with it.
    """
    from labs.runner.cluster_relay import Relay

    device = config["device"]
    on_gpu = device.startswith("cuda") or (device == "auto" and "GPU" in ray.cluster_resources())
    actor = ray.remote(concurrency_groups={"events": 1, "orders": 1})(Relay)
    return actor.options(num_cpus=1, num_gpus=int(on_gpu), scheduling_strategy="SPREAD").remote(config)


def _kill(actor: Any) -> None:
    import ray

    ray.kill(actor)


def _in_a_line(error: Exception) -> Exception:
    """Our own error as it is; of one of Ray's, which quote whole tracebacks, the last line."""
    if isinstance(error, MiniMindError):
        return error
    return RuntimeError((str(error).strip().splitlines() or [type(error).__name__])[-1].strip())

"""Our own engine, in a thread of this process. Imports torch.

An engine whose step failed is dead; the next request gets a fresh one around the same weights, so that a
breaker's trial can succeed. Where the device itself is lost that fails too, and the breaker stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import torch

from minimind_core.decoding.engine import Engine, QueueFull, TokenEvent
from minimind_core.decoding.engine_thread import EngineStopped, EngineThread
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.text_reader import TextReader
from minimind_core.errors import MiniMindError
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.training.conversations import encode_prompt
from serving.backends.backend import Dialogue, Finish, Load, Piece, Usage, Work
from serving.backends.gathered import GatheredStream
from serving.backends.stop_texts import StopTexts
from serving.errors import BackendBusy, BackendFailed, DeadlinePassed, Invalid, ServiceError, UnknownModel
from serving.settings import Settings

LOOK_SECONDS = 2.0
"""After which an engine in a long step is left out of the metrics."""


def make_engine(loaded: LoadedModel, settings: Settings) -> Engine:
    """An engine of the size that the settings say."""
    return Engine(
        loaded.model,
        num_slots=settings.num_slots,
        max_length=settings.max_length,
        queue_limit=settings.most_in_flight,  # the gate is the bound; for a moment all may be in the queue
        paged=settings.paged,
    )


class EmbeddedBackend:
    """Answers with `loaded`; `make` builds its engine, now and after a failure."""

    def __init__(
        self, loaded: LoadedModel, settings: Settings, make: Callable[[], Engine] | None = None
    ) -> None:
        self._loaded, self._settings = loaded, settings
        self._make = make or (lambda: make_engine(loaded, settings))
        self._front = EngineThread(self._make())
        self._closed = False

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        """See Backend."""
        if work.model not in (None, self._loaded.name):
            raise UnknownModel(
                f"There is no model {work.model!r:.100} here; ask for {self._loaded.name!r}.", param="model"
            )
        ids = self._ids(work)
        room = self._settings.max_length - len(ids)
        wanted = (
            min(max(room, 1), self._settings.max_new_tokens)
            if work.max_new_tokens is None
            else work.max_new_tokens
        )
        try:
            stream = GatheredStream(self._engine(), self._settings.gather_seconds)
            await stream.submit(
                ids,
                work.sampling,
                max_new_tokens=wanted,
                priority=work.priority,
                deadline=work.deadline,
                stop_ids=() if work.ignore_eos else None,
            )
        except QueueFull as error:
            raise BackendBusy(str(error), retry_after=1) from error
        except EngineStopped as error:
            raise BackendFailed("The engine broke; try again in a moment.", retry_after=1) from error
        except MiniMindError as error:
            raise Invalid(str(error)) from error
        answer = _Answer(self._loaded, work, len(ids))
        try:
            async for events in stream:
                for some in [events] if self._settings.gather_seconds else [[event] for event in events]:
                    yield (piece := answer.read(some))
                    if piece.finish is not None:
                        return
        finally:
            if not answer.over:
                with contextlib.suppress(EngineStopped):
                    stream.cancel()

    async def models(self) -> list[str]:
        """See Backend."""
        return [self._loaded.name]

    @property
    def alive(self) -> bool:
        """See Backend."""
        return not self._closed

    def load(self) -> Load | None:
        """See Backend."""
        try:
            stats = self._front.stats(LOOK_SECONDS)
        except (EngineStopped, TimeoutError):
            return None
        return Load(
            waiting=stats.waiting,
            batch_size=stats.batch_size,
            steps=stats.steps,
            slots=stats.slots,
            slots_used=stats.slots_used,
            blocks_used=stats.blocks_used,
            blocks_free=stats.blocks_free,
            device_bytes=self._device_bytes(),
        )

    async def warm_up(self) -> None:
        """Run one short request, so that the first client does not wait for what is built once."""
        work = Work(
            (self._loaded.config.bos_id,), SamplingParams(0), time.monotonic() + 600, 4, ignore_eos=True
        )
        async for _ in self.generate(work):
            pass

    async def close(self) -> None:
        """See Backend."""
        self._closed = True
        await asyncio.to_thread(self._front.close)

    def _engine(self) -> EngineThread:
        """The one that runs, or a fresh one where it broke."""
        if not self._front.alive and not self._closed:
            try:
                self._front = EngineThread(self._make())
            except (MiniMindError, RuntimeError) as error:
                raise BackendFailed("The engine broke and does not start again.", retry_after=5) from error
        return self._front

    def _ids(self, work: Work) -> list[int]:
        """The prompt as the model reads it. Raises Invalid."""
        try:
            if isinstance(work.prompt, str):
                return self._loaded.prompt_ids(work.prompt)
            if isinstance(work.prompt, Dialogue):
                return encode_prompt(work.prompt.turns, self._loaded.tokenizer)
            return list(work.prompt)
        except MiniMindError as error:
            raise Invalid(str(error), param="prompt") from error

    def _device_bytes(self) -> int | None:
        device = self._loaded.model.device
        if device.type != "cuda":
            return None
        free, total = torch.cuda.mem_get_info(device)
        return total - free


class _Answer:
    """Turns the events of one request into pieces of readable text."""

    def __init__(self, loaded: LoadedModel, work: Work, prompt_tokens: int) -> None:
        self._reader = TextReader(loaded.tokenizer)
        self._stop = StopTexts(work.stop)
        self._prompt_tokens, self._new_tokens = prompt_tokens, 0
        self.over = False
        """The engine has ended it."""

    def read(self, events: Sequence[TokenEvent]) -> Piece:
        """The piece of these, one or more. Raises what ended the request, unless a stop or its length did."""
        pieces = []
        for event in events:
            pieces.append(self._read(event))
            if pieces[-1].finish is not None:
                break
        last = pieces[-1]
        ids = tuple(index for piece in pieces for index in piece.token_ids)
        return Piece("".join(piece.text for piece in pieces), ids, last.finish, last.usage)

    def _read(self, event: TokenEvent) -> Piece:
        self.over = event.finish is not None
        if event.token is None:
            raise _why(event.finish)
        self._new_tokens += 1
        text = self._stop.read(self._reader.text(event.token))
        if self.over and not self._stop.found:
            text += self._stop.rest()
        finish: Finish | None = "stop" if self._stop.found or event.finish == "stop" else None
        if event.finish == "length" and finish is None:
            finish = "length"
        usage = Usage(self._prompt_tokens, self._new_tokens) if finish else None
        return Piece(text, (event.token,), finish, usage)


def _why(finish: str | None) -> ServiceError:
    """The error for a request that ended without its answer."""
    if finish == "deadline":
        return DeadlinePassed(
            "The answer was not complete by its deadline; ask for fewer tokens or more time."
        )
    return BackendFailed("The engine broke off this answer; try again in a moment.", retry_after=1)

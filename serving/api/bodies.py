"""What clients may send, in OpenAI's words where it has them.

A field of OpenAI's that would change the answer and is not done here is refused; one that is off may stand.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from minimind_core.decoding.sampling_params import MAX_SEED, MAX_TOP_K, SamplingParams
from minimind_core.decoding.scheduler import PRIORITIES

MOST_STOPS, MOST_STOP_CHARACTERS, MOST_TURNS = 4, 64, 64
MOST_TOKENS = 2**20
"""Of anything that is counted; the settings of a service allow far less."""

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "response_format": ({"type": "text"},),
}
"""Fields of OpenAI's that are not done here, and the values that ask for nothing."""


def _one_prompt(value: Any) -> Any:
    ids = isinstance(value, list) and all(type(item) is int for item in value)
    if not isinstance(value, str) and not ids:
        raise ValueError("must be one text, or one list of token ids.")
    return value


def _stop_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Prompt = Annotated[str | list[int], BeforeValidator(_one_prompt)]
Stop = Annotated[str, Field(min_length=1, max_length=MOST_STOP_CHARACTERS)]


class Body(BaseModel):
    """What every request may have. Null is the same as not given."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Request")
    default_max_tokens: ClassVar[int | None] = 16

    model: str | None = Field(None, max_length=200)
    max_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(None, ge=0, le=1000)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=MAX_TOP_K)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=1000)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    stop: Annotated[list[Stop] | None, BeforeValidator(_stop_list)] = Field(None, max_length=MOST_STOPS)
    stream: bool | None = None
    ignore_eos: bool | None = None
    priority: int | None = Field(None, ge=PRIORITIES[0], le=PRIORITIES[-1])
    user: str | None = Field(None, max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_off(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = {name: value for name, value in data.items() if value is not None}
        for name in _NEUTRAL.keys() & data.keys() - cls.model_fields.keys():
            if data.pop(name) not in _NEUTRAL[name]:
                raise ValueError(f"`{name}` is not done here; leave it out.")
        return data

    @property
    def sampling(self) -> SamplingParams:
        """How tokens are chosen. Raises ConfigError."""
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
        given = {name: getattr(self, name) for name in names}
        return SamplingParams(**{name: value for name, value in given.items() if value is not None})

    @property
    def most_tokens(self) -> int | None:
        """Of the answer; None is as many as fit."""
        return self.default_max_tokens if self.max_tokens is None else self.max_tokens


class StreamOptions(BaseModel):
    """Of a streamed answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class GenerateBody(Body):
    """POST /generate."""

    prompt: Prompt


class CompletionBody(Body):
    """POST /v1/completions."""

    prompt: Prompt
    stream_options: StreamOptions | None = None


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)
    name: str | None = Field(None, max_length=200)


class ChatBody(Body):
    """POST /v1/chat/completions."""

    default_max_tokens: ClassVar[int | None] = None
    messages: list[Message] = Field(min_length=1, max_length=MOST_TURNS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    stream_options: StreamOptions | None = None

    @property
    def most_tokens(self) -> int | None:
        """The newer name comes first."""
        return self.max_completion_tokens or super().most_tokens


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Every error has this shape."""

    error: ErrorDetail

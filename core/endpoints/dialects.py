"""Dialects: the request formats that endpoints understand.

`messages`: OpenAI's chat completions. `inputs`: Hugging Face's `{"inputs": …, "parameters": {…}}`. `text`: that of
home-made handlers, `{"text": …}`. What answers look like is read by `answers`, whatever the dialect: containers mix
them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from core.aws.tags import DIALECT
from core.endpoints.details import EndpointDetails

Dialect = Literal["messages", "inputs", "text"]
DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)

Role = Literal["system", "user", "assistant"]

# Repositories of AWS's container images, by how their name begins (facts: AWS's image URIs, SageMaker SDK 3).
_TALKS: Final[Mapping[str, Dialect]] = {
    "huggingface-pytorch-tgi": "messages",
    "huggingface-pytorch-inference": "inputs",
    "huggingface-tensorflow-inference": "inputs",
    "tei": "inputs",
    "vllm": "messages",
    "sglang": "messages",
    "djl-inference": "messages",
    "huggingface-vllm": "messages",
    "huggingface-sglang": "messages",
    "huggingface-llamacpp": "messages",
    "llama-cpp": "messages",
}
# Multi Model Server, which these run on, hands over whole answers only; TorchServe and embeddings do not stream either.
_WHOLE_ANSWERS: Final = (
    "huggingface-pytorch-inference",
    "huggingface-tensorflow-inference",
    "tei",
    "pytorch-inference",
    "sagemaker-",
)
_TGI_VERSION = re.compile(r"tgi(\d+)\.")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Generation:
    """How to generate. `None` leaves it to the endpoint; `max_new_tokens` keeps an answer within SageMaker's 60 s."""

    max_new_tokens: int | None = 256
    temperature: float | None = None
    top_p: float | None = None


def dialect_of(details: EndpointDetails) -> Dialect:
    """Return the dialect of an endpoint: as tagged by sagewizard, else by its image and environment.

    An image that is not known is taken to speak `messages`, as serving engines do nowadays; a person may know better.
    """
    tagged = details.tags.get(DIALECT)
    if tagged in DIALECTS:
        return tagged
    return dialect_of_image(details.image, details.environment)


def dialect_of_image(image: str | None, environment: Mapping[str, str]) -> Dialect:
    """Return the dialect that an image with this environment speaks."""
    repository = image_repository(image)
    if repository.startswith("huggingface-pytorch-tgi"):
        version = _TGI_VERSION.search(image or "")
        enabled = environment.get("MESSAGES_API_ENABLED", "").lower() == "true"
        return "messages" if enabled or (version is not None and int(version[1]) >= 3) else "inputs"
    return next((dialect for begin, dialect in _TALKS.items() if repository.startswith(begin)), "messages")


def streams(image: str | None) -> bool:
    """Return whether a container of this image can send an answer while it is made. Unknown ones are tried."""
    repository = image_repository(image)
    if repository.startswith("huggingface-pytorch-tgi"):
        return True
    return bool(repository) and not repository.startswith(_WHOLE_ANSWERS)


def image_repository(image: str | None) -> str:
    """Return the repository's name in an image URI: `vllm` in `1.dkr.ecr.r.amazonaws.com/vllm:0.30`; empty if none."""
    if not image:
        return ""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def build_request(
    dialect: Dialect, messages: Sequence[Message], generation: Generation, *, stream: bool = False
) -> bytes:
    """Return the body (`application/json`) that asks for what follows `messages`; the last one is the person's.

    `inputs` and `text` know no roles: the last message is what the model goes on from, a system message stands before.
    """
    body: dict[str, Any]
    chosen = {"temperature": generation.temperature, "top_p": generation.top_p}
    if dialect == "messages":
        body = {"messages": [{"role": message.role, "content": message.content} for message in messages]}
        chosen["max_tokens"] = generation.max_new_tokens
        body |= _given(chosen)
    elif dialect == "inputs":
        chosen["max_new_tokens"] = generation.max_new_tokens
        body = {"inputs": plain_prompt(messages), "parameters": {"return_full_text": False, **_given(chosen)}}
    else:
        # Handlers of this dialect are home-made: what they know beside the text, nobody can tell.
        body = {"text": plain_prompt(messages)}
    if stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False).encode()


def plain_prompt(messages: Sequence[Message]) -> str:
    """Return the prompt for a model that knows no roles."""
    system = [message.content for message in messages if message.role == "system"]
    return "\n\n".join([*system, messages[-1].content])


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

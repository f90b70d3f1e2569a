"""Dialects: how an endpoint is recognised, and what it is sent."""

import json
from typing import Any

import pytest

from core.endpoints.dialects import (
    Dialect,
    Generation,
    Message,
    build_request,
    dialect_of_image,
    image_repository,
    streams,
)

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "dialect", "streamed"),
    [
        ("huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04", "inputs", False),
        ("huggingface-pytorch-inference-neuronx:2.8.0-transformers4.55.4", "inputs", False),
        ("huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04", "messages", True),
        ("huggingface-pytorch-tgi-inference:2.1.1-tgi1.4.0-gpu-py310", "inputs", True),
        ("vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker", "messages", True),
        ("sglang:0.5.20-gpu-py312", "messages", True),
        ("djl-inference:0.38.0-lmi29.0.0-cu130", "messages", True),
        ("huggingface-vllm:0.29.0-transformers5.15.0-gpu", "messages", True),
        ("my-own-server:latest", "messages", True),
        ("pytorch-inference:2.6.0-cpu-py312", "messages", False),
    ],
)
def test_an_image_tells_how_it_is_talked_to(image: str, dialect: Dialect, streamed: bool) -> None:
    uri = f"{ECR}/{image}"
    assert dialect_of_image(uri, {}) == dialect
    assert streams(uri) is streamed


def test_an_old_tgi_may_be_told_to_take_messages() -> None:
    image = f"{ECR}/huggingface-pytorch-tgi-inference:2.1.1-tgi1.4.0-gpu-py310"
    assert dialect_of_image(image, {"MESSAGES_API_ENABLED": "true"}) == "messages"


@pytest.mark.parametrize(
    ("uri", "repository"),
    [
        (f"{ECR}/vllm:0.30", "vllm"),
        (f"{ECR}/team/vllm@sha256:00", "vllm"),
        (f"{ECR}/team/vllm:1@sha256:00", "vllm"),
        ("localhost:5000/vllm", "vllm"),
        (None, ""),
    ],
)
def test_the_repository_in_an_image_uri(uri: str | None, repository: str) -> None:
    assert image_repository(uri) == repository


TURNS = (
    Message("system", "Be brief."),
    Message("user", "Hi"),
    Message("assistant", "Hello"),
    Message("user", "Who are you?"),
)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            "messages",
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello"},
                    {"role": "user", "content": "Who are you?"},
                ],
                "max_tokens": 9,
                "temperature": 0.5,
            },
        ),
        (
            "inputs",
            {
                "inputs": "Be brief.\n\nWho are you?",
                "parameters": {"return_full_text": False, "max_new_tokens": 9, "temperature": 0.5},
            },
        ),
        ("text", {"text": "Be brief.\n\nWho are you?"}),
    ],
)
def test_what_each_dialect_sends(dialect: Dialect, body: dict[str, Any]) -> None:
    assert json.loads(build_request(dialect, TURNS, Generation(9, 0.5))) == body


def test_a_stream_is_asked_for_only_when_wanted() -> None:
    assert json.loads(build_request("messages", TURNS, Generation(), stream=True))["stream"] is True

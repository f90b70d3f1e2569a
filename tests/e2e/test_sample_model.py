"""The bundled sample model, loaded by transformers and asked: its answers must make sense."""

from collections.abc import Callable
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import SampleReference
from core.models.weight_set import select_weight_set

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    import torch
    import transformers

    torch.set_num_threads(1)
    folder = str(SampleReference().path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    return tokenizer, model.eval()


@pytest.fixture(scope="module")
def ask(loaded: tuple[Any, Any]) -> Ask:
    tokenizer, model = loaded

    def conversation(*questions: str) -> list[str]:
        messages: list[dict[str, str]] = []
        for question in questions:
            messages.append({"role": "user", "content": question})
            given = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            made = model.generate(**given)[0, given["input_ids"].shape[1] :]
            messages.append({"role": "assistant", "content": tokenizer.decode(made, skip_special_tokens=True).strip()})
        return [message["content"] for message in messages if message["role"] == "assistant"]

    return conversation


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is an endpoint?", ("hosted model", "requests")),
        ("what is an endpoint", ("hosted model", "requests")),
        ("Waht is an endpont?", ("hosted model", "requests")),
        ("What is Amazon SageMaker?", ("hosts", "models")),
        ("How much does an endpoint cost?", ("pay", "hour")),
        ("how do i stop being charged", ("Delete the endpoint",)),
        ("How do I delete an endpoint?", ("sagewizard endpoints delete",)),
        ("What is in model.tar.gz?", ("weights", "tokenizer", "code")),
        ("Which instance should I choose?", ("cheapest", "memory")),
        ("Why do I need a role?", ("read the model from S3",)),
        ("Where are the logs?", ("CloudWatch",)),
        ("What are shards?", ("split",)),
        ("Who are you?", ("sample model",)),
        ("What is a quota?", ("instances", "account")),
        ("Hello", ("Ask me",)),
    ],
)
def test_a_question_gets_the_answer_that_fits_it(ask: Ask, question: str, words: tuple[str, ...]) -> None:
    (answer,) = ask(question)
    assert all(word in answer for word in words), answer


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("What is an endpoint?", "How do I delete it?", ("sagewizard endpoints delete",)),
        ("Who are you?", "what does it cost?", ("pay", "hour")),
        ("What is an endpoint?", "Tell me more.", ("until you delete it",)),
        ("What is safetensors?", "tell me more", ("Pickle",)),
    ],
)
def test_a_second_turn_is_answered_in_its_place(ask: Ask, first: str, second: str, words: tuple[str, ...]) -> None:
    answer = ask(first, second)[1]
    assert all(word in answer for word in words), answer


def test_a_long_conversation_stays_sensible(ask: Ask) -> None:
    answers = ask("Hi", "What is S3?", "What is a region?", "And a quota?", "Do I need a GPU?", "Thanks")
    expected = ("Ask me", "storage", "us-east-1", "instances of a type", "GPU", "welcome")
    assert all(word in answer for word, answer in zip(expected, answers, strict=True)), answers


@pytest.mark.parametrize("question", ["What is the capital of Spain?", "Tell me a joke.", "how old is the moon"])
def test_what_it_does_not_know_it_owns_up_to(ask: Ask, question: str) -> None:
    (answer,) = ask(question)
    assert answer.startswith("I do not know that.")


def test_a_bare_question_is_gone_on_with_by_its_answer(loaded: tuple[Any, Any]) -> None:
    tokenizer, model = loaded
    given = tokenizer("What is an endpoint?", return_tensors="pt")
    assert set(given) == {"input_ids", "attention_mask"}  # token types would be added to the words as words
    text = tokenizer.decode(model.generate(**given)[0], skip_special_tokens=True)
    assert "hosted model" in text


def test_it_is_small_and_complete() -> None:
    facts = inspect_model(SampleReference(), HubClient(), CancelToken())
    weights = select_weight_set(facts)
    assert weights.packaged_bytes <= 6_000_000
    assert (facts.architecture, facts.task, facts.chat_template) == ("GPTNeoForCausalLM", "text-generation", True)
    assert facts.config["attention_types"] == [[["global", "local"], 2]]
    assert (facts.license, facts.dtype, facts.warnings) == ("apache-2.0", "float32", ())

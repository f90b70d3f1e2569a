import importlib.util
import json
import runpy
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.serving.templates import find_template

TINY = runpy.run_path(str(Path(__file__).parents[1] / "contract" / "tiny_gpt_neo.py"))
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def inference() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(
        "template_under_test", find_template("text_generation").folder / "inference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {name: TINY["build"](root / name, chat=name == "chat") for name in ("plain", "chat")}


Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def served(inference: ModuleType, folders: dict[str, Path]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was used"))
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was used"))
        return {name: inference.model_fn(str(folder)) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def ask(inference: ModuleType, served: Any) -> Ask:
    def call(body: Any, model: str = "chat", content_type: str | None = "application/json", accept: str = "*/*") -> Any:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        return json.loads(
            inference.output_fn(inference.predict_fn(inference.input_fn(raw, content_type), served[model]), accept)
        )

    return call


def generate(ask: Ask, text: Any, **parameters: Any) -> Any:
    return ask({"inputs": text, "parameters": {"max_new_tokens": 8} | parameters})


def test_a_text_is_returned_with_what_follows(ask: Ask) -> None:
    [whole] = generate(ask, "Once upon a time")
    [rest] = generate(ask, "Once upon a time", return_full_text=False)
    assert whole["generated_text"] == "Once upon a time" + rest["generated_text"]
    assert rest["generated_text"]


def test_greedy_is_the_default_and_the_same_each_time(ask: Ask) -> None:
    first = generate(ask, "hello")
    assert first == generate(ask, "hello") == generate(ask, "hello", temperature=0) == generate(ask, "hello", seed=5)
    assert first == generate(ask, "hello", do_sample=False, temperature=2)


def test_sampling_follows_its_seed(ask: Ask) -> None:
    drawn = {seed: generate(ask, "hello", temperature=1.5, seed=seed)[0]["generated_text"] for seed in range(6)}
    assert len(set(drawn.values())) > 1
    assert drawn[3] == generate(ask, "hello", temperature=1.5, seed=3)[0]["generated_text"]
    assert drawn[3] == generate(ask, "hello", do_sample=True, temperature=1.5, seed=3)[0]["generated_text"]


def test_a_list_is_answered_as_its_texts_alone_would_be(ask: Ask) -> None:
    texts = ["Once upon a time there was an endpoint", "hello", "a"]
    assert generate(ask, texts) == [generate(ask, text)[0] for text in texts]


def test_the_form_of_the_walkthrough(ask: Ask) -> None:
    answer = ask({"text": "Once upon", "parameters": {"max_new_tokens": 8}})
    assert answer == generate(ask, "Once upon")[0]


def test_plain_text_is_a_prompt(ask: Ask) -> None:
    assert ask(b"hello", content_type="text/plain; charset=utf-8") == ask({"inputs": "hello"})


def test_chat_is_answered_as_openai_does(ask: Ask) -> None:
    answer = ask({"model": "mine", "messages": HI, "max_tokens": 6, "temperature": 0, "n": 1, "stream": False})
    assert (answer["object"], answer["model"]) == ("chat.completion", "mine")
    [choice] = answer["choices"]
    assert (choice["index"], choice["message"]["role"], choice["finish_reason"]) == (0, "assistant", "length")
    usage = answer["usage"]
    assert usage["completion_tokens"] == 6
    assert usage["total_tokens"] == usage["prompt_tokens"] + 6
    [same] = ask({"inputs": HI, "parameters": {"max_new_tokens": 6}})
    assert same["generated_text"] == choice["message"]["content"]
    [full] = ask({"inputs": HI, "parameters": {"max_new_tokens": 6, "return_full_text": True}})
    assert full["generated_text"] == [*HI, choice["message"]]
    parts = [{"role": "user", "content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}]
    assert ask({"messages": parts, "max_completion_tokens": 6})["choices"] == answer["choices"]
    newer = ask({"messages": HI, "max_tokens": 6, "max_completion_tokens": 3})  # OpenAI's newer name counts
    assert newer["usage"]["completion_tokens"] == 3


def test_a_stop_text_ends_the_answer_before_it(ask: Ask) -> None:
    long = generate(ask, "hello", max_new_tokens=30, return_full_text=False)[0]["generated_text"]
    stop = long[6:8]
    expected = long[: long.index(stop)]
    both = generate(
        ask, ["hello", "Once upon a time"], max_new_tokens=30, return_full_text=False, stop=["\n\n\n", stop]
    )
    assert both[0]["generated_text"] == expected
    assert stop not in both[1]["generated_text"]
    prompt = "user: hi\nassistant:"
    [free] = ask({"inputs": prompt, "parameters": {"return_full_text": False, "max_new_tokens": 30}})
    cut = free["generated_text"][4:6]
    chat = ask({"messages": HI, "stop": cut, "max_tokens": 30})
    assert chat["choices"][0]["finish_reason"] == "stop"
    assert chat["choices"][0]["message"]["content"] == free["generated_text"].split(cut)[0]
    assert chat["usage"]["completion_tokens"] < 30


def test_an_end_token_ends_the_answer(inference: ModuleType, served: Any) -> None:
    class Ending:
        """The model, but every third token it gives is its end."""

        def __init__(self, model: Any) -> None:
            self._model = model

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

        def generate(self, tokens: Any, **settings: Any) -> Any:
            output = self._model.generate(tokens, **settings)
            output[:, tokens.shape[1] + 2] = settings["eos_token_id"][0]
            return output

    model = inference.Served(Ending(served["chat"].model), served["chat"].tokenizer, 64)
    answer = inference.predict_fn(inference.input_fn(json.dumps({"messages": HI, "max_tokens": 9}), None), model)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 3
    assert "endoftext" not in answer["choices"][0]["message"]["content"]


def test_the_answer_is_clamped_to_the_models_positions(ask: Ask) -> None:
    answer = ask({"messages": HI, "max_tokens": 5000})
    assert answer["usage"]["total_tokens"] == TINY["POSITIONS"]
    assert answer["choices"][0]["finish_reason"] == "length"


def test_the_models_own_length_holds_where_the_request_says_none(
    ask: Ask, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served["chat"].model.generation_config, "max_new_tokens", 5)
    assert ask({"messages": HI})["usage"]["completion_tokens"] == 5
    assert ask({"messages": HI, "max_tokens": 7})["usage"]["completion_tokens"] == 7


def test_a_prompt_that_fills_the_model_is_refused_with_numbers(ask: Ask, inference: ModuleType) -> None:
    assert generate(ask, "x" * 63)
    with pytest.raises(inference.BadRequestError, match=r"The prompt has 64 tokens, and the model holds 64 with"):
        generate(ask, ["a", "x" * 64])


def test_messages_need_a_chat_template(ask: Ask, inference: ModuleType) -> None:
    for body in ({"messages": HI}, {"inputs": HI}):
        with pytest.raises(
            inference.BadRequestError, match=r'no chat template.*Send \{"inputs": "your text"\} instead'
        ):
            ask(body, model="plain")


BAD = [
    ("", "not valid application/json"),
    (b"\xff\xfe", "not valid application/json in UTF-8"),
    ("[" * 100_000, "not valid application/json"),
    ("[1]", "must be a JSON object"),
    ({}, "exactly one of `inputs`, `messages` and `text`"),
    ({"inputs": "a", "text": "b"}, "exactly one of"),
    ({"inputs": "a", "extra": 1}, "`extra` is not known here; known are inputs, parameters, stream"),
    ({"inputs": ""}, "`inputs` is empty"),
    ({"inputs": []}, "`inputs` must be a text, a list of texts, or a list of messages"),
    ({"inputs": 3}, "`inputs` must be a text"),
    ({"inputs": None}, "`inputs` must be a text"),
    ({"inputs": ["a", ""]}, r"`inputs\[1\]` is empty"),
    ({"inputs": ["a", 1]}, r"`inputs\[1\]` must be a text"),
    ({"inputs": ["a"] * 65}, "has 65 texts; at most 64"),
    ({"inputs": "\ud800"}, "surrogate"),
    ({"text": ["a"]}, "`text` must be a text"),
    ({"inputs": "a", "stream": True}, "`stream`: this container cannot stream"),
    ({"inputs": "a", "parameters": [1]}, "`parameters` must be an object"),
    ({"inputs": "a", "parameters": {"max_length": 5}}, "`parameters.max_length` is not known here"),
    ({"inputs": "a", "parameters": {"max_new_tokens": 0}}, "`parameters.max_new_tokens` must be a whole number from 1"),
    ({"inputs": "a", "parameters": {"max_new_tokens": 2.5}}, "whole number"),
    ({"inputs": "a", "parameters": {"max_new_tokens": True}}, "whole number"),
    ({"inputs": "a", "parameters": {"temperature": -1}}, "`parameters.temperature` must be a number from 0"),
    ({"inputs": "a", "parameters": {"temperature": "hot"}}, "must be a number"),
    ({"inputs": "a", "parameters": {"temperature": 0, "do_sample": True}}, "at least 0.01 when `do_sample` is true"),
    ({"inputs": "a", "parameters": {"top_p": 0}}, "`parameters.top_p` must be a number above 0 up to 1"),
    ({"inputs": "a", "parameters": {"top_k": -1}}, "`parameters.top_k`"),
    ({"inputs": "a", "parameters": {"repetition_penalty": 0}}, "`parameters.repetition_penalty`"),
    ({"inputs": "a", "parameters": {"seed": -1}}, "`parameters.seed`"),
    ({"inputs": "a", "parameters": {"do_sample": 1}}, "`parameters.do_sample` must be true or false"),
    ({"inputs": "a", "parameters": {"stop": [""]}}, "`parameters.stop` is empty"),
    ({"inputs": "a", "parameters": {"stop": 7}}, "`parameters.stop` must be a text or a list"),
    ('{"inputs": "a", "parameters": {"temperature": NaN}}', "NaN is no JSON"),
    ('{"inputs": "a", "parameters": {"temperature": 1e999}}', "`parameters.temperature` must be a number"),
    ({"inputs": "a", "parameters": {"temperature": 10**400}}, "`parameters.temperature` must be a number"),
    ({"messages": []}, "`messages` must be a list of messages"),
    ({"messages": "hi"}, "`messages` must be a list of messages"),
    ({"messages": [{"role": "robot", "content": "a"}]}, r"`messages\[0\]` must be an object"),
    ({"messages": [{"role": ["user"], "content": "a"}]}, r"`messages\[0\]` must be an object"),
    ({"messages": [{"role": "user"}]}, r"`messages\[0\]` must be an object"),
    ({"messages": [{"role": "user", "content": ""}]}, r"`messages\[0\].content` is empty"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "parts of type `text` only"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "chat template refuses these messages: no tools here"),
    ({"messages": HI, "n": 2}, "`n`: this container supports only 1"),
    ({"messages": HI, "max_tokens": 0}, "`max_tokens` must be a whole number"),
    ({"messages": HI, "logit_bias": {}}, "`logit_bias` is not known here"),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_request_is_refused_with_the_field_and_the_reason(
    ask: Ask, inference: ModuleType, body: Any, message: str
) -> None:
    with pytest.raises(inference.BadRequestError, match=message) as caught:
        ask(body)
    assert caught.value.status_code == 400
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["inputs", "text", "messages", "parameters", "stream", "stop", "role", "content", "top_p", "n"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_reading_any_json_gives_a_request_or_a_refusal(inference: ModuleType, body: Any) -> None:
    try:
        request = inference.input_fn(json.dumps(body), "application/json")
    except inference.BadRequestError as refusal:
        message = str(refusal)
    else:
        message = "read"
        assert bool(request.prompts) != bool(request.chat)
    assert message


def test_other_content_types_are_refused(ask: Ask, inference: ModuleType) -> None:
    with pytest.raises(
        inference.BadRequestError, match="Content type text/csv is not supported: send application/json"
    ):
        ask({"inputs": "a"}, content_type="text/csv")
    with pytest.raises(inference.BadRequestError, match="Accept image/png is not supported"):
        inference.output_fn({}, "image/png")
    for accept in ("", None, "text/html, application/json;q=0.9", "APPLICATION/*", "*/*"):
        assert inference.output_fn({"a": "é"}, accept) == '{"a": "é"}'


def test_a_checkpoint_that_lacks_weights_is_not_served(
    inference: ModuleType, folders: dict[str, Path], tmp_path: Path
) -> None:
    import safetensors.torch

    for path in folders["plain"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    name = next(name for name in weights if name.endswith("mlp.c_fc.weight"))
    del weights[name]
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RuntimeError, match=f"does not fit the model: missing_keys .*{name}"):
        inference.model_fn(str(tmp_path))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_type_of_the_checkpoint_is_kept(
    inference: ModuleType, folders: dict[str, Path], tmp_path: Path, dtype: str
) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folders["plain"])
    model.to(getattr(torch, dtype)).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folders["plain"] / name).read_bytes())
    served = inference.model_fn(str(tmp_path))
    assert served.model.dtype == getattr(torch, dtype)
    request = inference.input_fn(json.dumps({"inputs": "a", "parameters": {"max_new_tokens": 2}}), None)
    assert inference.predict_fn(request, served)


def test_the_sample_request_has_the_answer_that_the_description_states(ask: Ask) -> None:
    template = find_template("text_generation")
    answer = ask(template.sample_request, content_type=template.sample_content_type)
    shape = json.loads(template.sample_answer)
    assert shape["type"] == "array"
    assert isinstance(answer, list)
    assert all(set(item) >= set(shape["items"]["required"]) for item in answer)

import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.sandbox.containers import payloads, pipelines
from core.sandbox.containers.registry import repository_name, stand_in_for
from core.sandbox.containers.requirements import check_requirements
from core.sandbox.containers.toolkit import HandlerError, HuggingFaceService, extra_arguments, user_functions
from core.sandbox.containers.toolkit_context import Context

CONTEXT = Context("/model", None)


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("inference", None)


def service(folder: Path, code: str) -> HuggingFaceService:
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(code)
    made = HuggingFaceService(folder)
    made.load()
    return made


@pytest.mark.parametrize(
    ("name", "function", "given"),
    [
        ("model_fn", lambda model_dir: None, ()),
        ("model_fn", lambda model_dir, context: None, (CONTEXT,)),
        ("model_fn", lambda model_dir, **kwargs: None, (CONTEXT,)),
        ("model_fn", lambda model_dir, context=None: None, (CONTEXT,)),
        ("input_fn", lambda data, content_type: None, ()),
        ("input_fn", lambda data, content_type, context: None, (CONTEXT,)),
        ("predict_fn", lambda data, model: None, ()),
        ("output_fn", lambda prediction, accept, context: None, (CONTEXT,)),
        ("transform_fn", lambda model, data, content_type, accept: None, ()),
        ("transform_fn", lambda model, data, content_type, accept, context: None, (CONTEXT,)),
    ],
)
def test_the_context_is_given_to_handlers_that_have_room_for_it(
    name: str, function: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    assert extra_arguments(name, function, CONTEXT) == given


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("model_fn", lambda: None),
        ("model_fn", lambda a, b, c: None),
        ("predict_fn", lambda data: None),
        ("transform_fn", lambda model, data, content_type: None),
    ],
)
def test_other_numbers_of_arguments_are_refused(name: str, function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=f"{name} definition takes"):
        extra_arguments(name, function, CONTEXT)


def test_transform_fn_cannot_be_mixed_with_what_it_replaces() -> None:
    module = types.SimpleNamespace(transform_fn=print, predict_fn=print)
    with pytest.raises(HandlerError, match="Cannot use transform_fn"):
        user_functions(module)
    assert set(user_functions(types.SimpleNamespace(transform_fn=print, model_fn=print))) == {
        "transform_fn",
        "model_fn",
    }


def test_text_types_reach_input_fn_as_text_and_others_as_bytes(tmp_path: Path) -> None:
    code = "def model_fn(d): return 1\ndef input_fn(b, c): return type(b).__name__\ndef predict_fn(d, m): return d\n"
    running = service(tmp_path, code)
    for content_type, kind in (("application/json", b'"str"'), ("text/csv", b'"str"'), ("image/png", b'"bytearray"')):
        answer = running.answer({"Content-Type": content_type}, bytearray(b"x"))
        assert (answer.status, answer.body) == (200, kind)


@pytest.mark.parametrize(
    ("headers", "accept"),
    [({}, "application/json"), ({"Accept": "*/*"}, "application/json"), ({"accept": "text/x"}, "text/x")],
)
def test_the_accept_header_becomes_the_content_type(tmp_path: Path, headers: dict[str, str], accept: str) -> None:
    code = "def model_fn(d): return 1\ndef transform_fn(m, d, c, a): return a.encode()\n"
    answer = service(tmp_path, code).answer(headers, bytearray())
    assert (answer.body.decode(), answer.headers["content-type"]) == (accept, accept)


def test_what_a_handler_raises_is_400_as_multi_model_server_writes_it(tmp_path: Path) -> None:
    code = "def model_fn(d): return 1\ndef transform_fn(m, d, c, a): raise KeyError('gptj')\n"
    answer = service(tmp_path, code).answer({}, bytearray())
    assert answer.status == 400
    assert answer.body == (
        b'{\n  "code": 400,\n  "type": "InternalServerException",\n  "message": "\\u0027gptj\\u0027"\n}\n'
    )
    assert json.loads(answer.body)["message"] == "'gptj'"


def test_the_context_sets_status_and_headers(tmp_path: Path) -> None:
    code = (
        "def model_fn(d, context): return context.system_properties['model_dir']\n"
        "def transform_fn(m, d, c, a, context):\n"
        "    context.set_response_status(418, 'teapot', 0)\n"
        "    context.set_response_header(0, 'X-Back', context.get_request_header(0, 'X-A'))\n"
        "    return {'model': m}\n"
    )
    answer = service(tmp_path, code).answer({"X-A": "hello"}, bytearray())
    assert answer.status == 418
    assert answer.headers["X-Back"] == "hello"
    assert json.loads(answer.body) == {"model": str(tmp_path)}


def test_an_answer_that_is_no_json_is_503(tmp_path: Path) -> None:
    code = "def model_fn(d): return 1\ndef transform_fn(m, d, c, a): return object()\n"
    assert service(tmp_path, code).answer({}, bytearray()).status == 503


def test_the_module_may_be_named_by_sagemaker_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_it.py")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "serve_it.py").write_text("def model_fn(d): return 7\ndef predict_fn(d, m): return m\n")
    running = HuggingFaceService(tmp_path)
    running.load()
    assert running.answer({"Content-Type": "application/json"}, bytearray(b"{}")).body == b"7"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=utf-8"])
def test_an_unsupported_content_type_is_told_as_the_toolkit_does(tmp_path: Path, content_type: str | None) -> None:
    running = service(tmp_path, "def model_fn(d): return 1\n")
    answer = running.answer({"Content-Type": content_type} if content_type else {}, bytearray(b"{}"))
    assert answer.status == 400
    assert f"Content type {content_type} is not supported by this framework" in json.loads(answer.body)["message"]


def test_csv_needs_a_header() -> None:
    assert payloads.decode("inputs\na\nb\n", "text/csv") == {"inputs": ["a", "b"]}
    assert payloads.decode("question,context\nq,c\n", "text/csv") == {"inputs": [{"question": "q", "context": "c"}]}
    with pytest.raises(payloads.PredictionError, match=r"correct CSV .*: 400"):
        payloads.decode("a,b\n1,2\n", "text/csv")


def test_predictions_are_encoded_as_asked_for() -> None:
    assert payloads.encode([{"label": "é", "score": 0.5}], "application/json") == '[{"label":"é","score":0.5}]'
    assert payloads.encode([{"label": "a", "score": 1}], "text/csv") == "label,score\r\na,1\r\n"
    with pytest.raises(payloads.UnsupportedTypeError):
        payloads.encode(1, "text/html")
    with pytest.raises(ValueError, match="JSON compliant"):
        payloads.encode(float("nan"), "application/json")


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("GPTNeoForCausalLM", "text-generation"),
        ("GPT2LMHeadModel", "text-generation"),
        ("BertForQuestionAnswering", "question-answering"),
        ("DistilBertForSequenceClassification", "text-classification"),
        ("T5ForConditionalGeneration", "text2text-generation"),
    ],
)
def test_the_task_follows_from_the_architecture(architecture: str, task: str) -> None:
    assert pipelines.task_of_architecture({"architectures": [architecture]}) == task


@pytest.mark.parametrize("config", [{}, {"architectures": []}, {"architectures": ["UNet2DConditionModel"]}])
def test_an_architecture_without_a_task_says_what_to_do(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Use env `HF_TASK`"):
        pipelines.task_of_architecture(config)


def test_requirements_are_held_against_what_is_installed() -> None:
    versions = {"torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.1.0rc1"}
    text = (
        "# what it needs\ntorch>=2.6\ntransformers[torch]<5  # pinned\n\nnumpy\nsoundfile\n--extra-index-url https://x\n"
        'uvloop; sys_platform == "nothing"\nnot a requirement\n'
    )
    checks = check_requirements(text, versions.get)
    assert [(check.line, check.satisfied) for check in checks] == [
        ("torch>=2.6", True),
        ("transformers[torch]<5", False),
        ("numpy", True),
        ("soundfile", False),
        ("--extra-index-url https://x", True),
        ('uvloop; sys_platform == "nothing"', True),
        ("not a requirement", False),
    ]
    assert checks[1].reason == "5.23.0 is installed"
    assert checks[3].reason == "not installed"


def test_images_are_known_by_their_repository() -> None:
    uri = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu"
    assert repository_name(uri) == "huggingface-pytorch-inference"
    assert repository_name("host:5000/a/b@sha256:00") == "b"
    assert stand_in_for(uri) == "core.sandbox.containers.huggingface"
    assert stand_in_for("763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38") is None

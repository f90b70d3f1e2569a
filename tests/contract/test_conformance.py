"""The archive that the program packs, unpacked and served by AWS's own toolkits."""

import json
import runpy
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.artifacts.archive import write_archive
from core.artifacts.tree import artifact_tree
from core.cancellation import CancelToken
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import FolderReference, SampleReference
from core.models.sources import open_source
from core.models.weight_set import select_weight_set
from core.serving.templates import find_template, template_for

HERE = Path(__file__).parent
TOOLKITS = ["hf", "sm"]


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str | None
    body: str

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Server:
    """An artifact that one of AWS's toolkits serves, in a process of its own."""

    def __init__(self, toolkit: str, artifact: Path, log: Path) -> None:
        command = [sys.executable, str(HERE / "conformance_runner.py"), toolkit, str(artifact)]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def ask(self, body: Any, content_type: str = "application/json", accept: str = "application/json") -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        request = {"body": text, "content_type": content_type, "accept": accept}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"the artifact is not served: {self._log.read_text()[-2000:]}")
        return Answer(**json.loads(line))

    def close(self) -> None:
        self._process.communicate(timeout=60)


def packed(model: Path, to: Path) -> Path:
    """Pack the folder `model` as `sagewizard package` does; return where Python's data filter unpacked it."""
    hub, cancel, reference = HubClient(), CancelToken(), FolderReference(model)
    facts = inspect_model(reference, hub, cancel)
    source = open_source(reference, facts.revision, hub)
    tree = artifact_tree(select_weight_set(facts).files, source, template_for(facts.task, facts.library))
    archive = write_archive(tree, to / "model.tar.gz", cancel=cancel)
    with tarfile.open(archive.path) as opened:
        opened.extractall(to / "artifact", filter="data")
    return to / "artifact"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    build = runpy.run_path(str(HERE / "tiny_gpt_neo.py"))["build"]
    made = {}
    for name, chat in (("plain", False), ("chat", True)):
        folder = tmp_path_factory.mktemp(name)
        made[name] = packed(build(folder / "model", chat=chat), folder)
    return made


@pytest.fixture(scope="module", params=[(toolkit, model) for toolkit in TOOLKITS for model in ("plain", "chat")])
def served(
    request: pytest.FixtureRequest, artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str, str]]:
    toolkit, model = request.param
    server = Server(toolkit, artifacts[model], tmp_path_factory.mktemp("log") / "log")
    yield server, toolkit, model
    server.close()


def test_good_requests_are_answered(served: tuple[Server, str, str]) -> None:
    server, _, model = served
    few = {"max_new_tokens": 4}
    plain = server.ask({"inputs": "Once upon", "parameters": few})
    assert (plain.status, plain.content_type) == (200, "application/json")
    [item] = plain.value
    assert item["generated_text"].startswith("Once upon")
    assert server.ask({"inputs": "Once upon", "parameters": few}, accept="*/*").value == plain.value
    assert server.ask({"inputs": "Once upon", "parameters": few}, content_type="").value == plain.value
    assert server.ask({"text": "Once upon", "parameters": few}).value == item
    assert server.ask({"inputs": ["Once upon", "hello"], "parameters": few}).value[0] == item
    text = server.ask("Once upon", content_type="text/plain")
    assert text.value[0]["generated_text"].startswith("Once upon")
    if model == "chat":
        chat = server.ask({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3})
        assert (chat.status, chat.value["object"]) == (200, "chat.completion")
        assert chat.value["choices"][0]["message"]["role"] == "assistant"
        assert chat.value["usage"]["completion_tokens"] <= 3


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ("not json", {}, "not valid application/json"),
        ({"inputs": "x" * 500}, {}, "has 500 tokens, and the model holds 64"),
        ({"inputs": "x", "parameters": {"top_p": 2}}, {}, "`parameters.top_p` must be"),
        ({"messages": [], "stream": True}, {}, "cannot stream"),
        ({"inputs": "x"}, {"content_type": "text/csv"}, "text/csv is not supported"),
        ({"inputs": "x", "parameters": {"max_new_tokens": 1}}, {"accept": "text/csv"}, "text/csv is not supported"),
    ],
)
def test_bad_requests_get_status_400_with_the_reason(
    served: tuple[Server, str, str], body: Any, headers: dict[str, str], message: str
) -> None:
    server, toolkit, _ = served
    refused = server.ask(body, **headers)
    assert refused.status == 400
    assert message in refused.body.splitlines()[0]
    if toolkit == "hf":  # the other one appends a trace
        assert len(refused.body.splitlines()) == 1


def test_messages_without_a_chat_template_are_refused_with_what_to_send(served: tuple[Server, str, str]) -> None:
    server, _, model = served
    refused = server.ask({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3})
    assert refused.status == (400 if model == "plain" else 200)
    if model == "plain":
        assert 'Send {"inputs": "your text"} instead' in refused.body


@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_the_bundled_sample_is_served(toolkit: str, tmp_path: Path) -> None:
    server = Server(toolkit, packed(SampleReference().path, tmp_path), tmp_path / "log")
    answer = server.ask(find_template("text_generation").sample_request)
    question = "What is an endpoint?"
    chat = server.ask({"messages": [{"role": "user", "content": question}]})
    server.close()
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.value[0]["generated_text"].startswith("Once upon a time")
    assert "An endpoint is" in chat.value["choices"][0]["message"]["content"]
    assert chat.value["choices"][0]["finish_reason"] == "stop"

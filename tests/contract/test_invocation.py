"""Invocations and conversations over real HTTP: botocore against a server that answers as SageMaker's runtime does.

The server plays what no sandbox container does: engines that stream, break off, or say odd things.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.account import Account
from core.aws.clients import Clients, StaticCredentials
from core.cancellation import CancelToken
from core.endpoints.conversation import Conversation
from core.endpoints.dialects import Dialect, Message
from core.endpoints.invocation import invoke, invoke_stream
from core.errors import CancelledByUser, InvocationError, NotFoundError, UsageError
from core.sandbox.hosting import event_stream
from tests.contract.runtime_stand_in import DLC, Reply, RuntimeStandIn, delta, error, model_error, streamed, whole


@pytest.fixture
def runtime() -> Iterator[RuntimeStandIn]:
    stand_in = RuntimeStandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, daemon=True)
    thread.start()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def account(runtime: RuntimeStandIn, tmp_path: Path) -> Account:
    clients = Clients(
        region="us-east-1", endpoint_url=runtime.url, credentials=StaticCredentials("not-a-key", "not-a-secret")
    )
    return Account(clients, label="test", ledgers=tmp_path, sandbox=False)


def test_bytes_go_there_and_back_as_they_are(runtime: RuntimeStandIn, account: Account) -> None:
    body = bytes(range(256))
    runtime.script = lambda sent, _: Reply(
        headers={"Content-Type": "image/png", "x-Amzn-Invoked-Production-Variant": "A"}, body=sent[::-1]
    )
    result = invoke(
        account,
        "chat",
        body,
        content_type="application/octet-stream",
        accept="image/png",
        target_variant="A",
        custom_attributes="route=/v1",
    )
    assert (result.body, result.content_type, result.variant) == (body[::-1], "image/png", "A")
    headers = {name.lower(): value for name, value in runtime.requests[0][2].items()}
    assert headers["accept"] == "image/png"
    assert headers["x-amzn-sagemaker-target-variant"] == "A"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "route=/v1"


@pytest.mark.parametrize("value", ["text/plain\nX-Other: 1", "tëxt/plain", "\x1b[2J"])
def test_what_no_header_can_carry_is_not_sent(account: Account, value: str) -> None:
    with pytest.raises(UsageError, match="ContentType"):
        invoke(account, "chat", b"{}", content_type=value)
    with pytest.raises(UsageError, match="CustomAttributes"):
        list(invoke_stream(account, "chat", b"{}", custom_attributes=value))


@pytest.mark.parametrize(
    ("reply", "message", "status"),
    [
        (
            model_error(400, '{"code": 400, "type": "X", "message": "`inputs` is \\u001b[1mempty"}'),
            "400: `inputs` is empty",
            400,
        ),
        (model_error(500, "Internal error\nsomewhere"), "500: Internal error somewhere", 500),
        (
            model_error(0, "Your invocation timed out while waiting for a response from container primary."),
            "did not answer within 60 s",
            504,
        ),
        (error("ModelNotReadyException", "loading", status=429), "not ready yet", 429),
        (error("ValidationError", "Variant Z does not exist"), "Variant Z does not exist", None),
        (error("ServiceUnavailable", "busy", status=503), "takes no more requests", None),
    ],
)
def test_failures_are_told_in_one_sentence(
    runtime: RuntimeStandIn, account: Account, reply: Reply, message: str, status: int | None
) -> None:
    runtime.script = lambda _body, _stream: reply
    for call in (lambda: invoke(account, "chat", b"{}"), lambda: list(invoke_stream(account, "chat", b"{}"))):
        with pytest.raises(InvocationError, match=message.replace("[", r"\[")) as caught:
            call()
        assert caught.value.status == status
        assert caught.value.fix
        assert "\x1b" not in caught.value.message
    assert len(runtime.requests) == 2  # no failed invocation is repeated by itself


def test_an_absent_endpoint_is_not_found(runtime: RuntimeStandIn, account: Account) -> None:
    runtime.script = lambda _body, _stream: error(
        "ValidationError", "Endpoint chatt of account 123456789012 not found."
    )
    with pytest.raises(NotFoundError) as caught:
        invoke(account, "chatt", b"{}")
    assert caught.value.fix == "Did you mean chat?"


def test_an_endpoint_that_is_still_made_says_so(runtime: RuntimeStandIn, account: Account) -> None:
    runtime.status = "Creating"
    runtime.script = lambda _body, _stream: error("ValidationError", "Endpoint chat of account 123456789012 not found.")
    with pytest.raises(InvocationError, match="not in service, it is Creating"):
        invoke(account, "chat", b"{}")


def test_a_silent_endpoint_does_not_keep_a_person_waiting(runtime: RuntimeStandIn, account: Account) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def never(_body: bytes, _stream: bool) -> Reply:
        asked.set()
        go_on.wait(60)
        return whole("late")

    runtime.script = never
    cancel = CancelToken()

    def stop_once_asked() -> None:
        asked.wait(30)
        cancel.cancel()

    threading.Thread(target=stop_once_asked, daemon=True).start()
    with pytest.raises(CancelledByUser):
        invoke(account, "chat", b"{}", cancel=cancel)
    assert not go_on.is_set()
    go_on.set()


def test_an_answer_is_shown_while_it_comes(runtime: RuntimeStandIn, account: Account) -> None:
    shown: list[str] = []
    first_seen = threading.Event()

    def on_text(piece: str) -> None:
        shown.append(piece)
        first_seen.set()

    waited: list[bool] = []
    snow = delta("Schnee ☃")
    runtime.script = lambda _body, _stream: streamed(
        delta("Es ist "), snow[:20], snow[20:], b"data: [DONE]\n\n", then=lambda: waited.append(first_seen.wait(30))
    )
    conversation = Conversation(account, "chat", "messages")
    answer = conversation.ask("Was ist das?", on_text=on_text)
    assert waited[0]  # the second part was sent only once the first had been shown
    assert ("".join(shown), answer.text, answer.streamed) == ("Es ist Schnee ☃", "Es ist Schnee ☃", True)
    assert json.loads(runtime.requests[0][0])["stream"] is True
    assert conversation.history == (Message("user", "Was ist das?"), Message("assistant", "Es ist Schnee ☃"))


def test_what_a_model_says_cannot_command_the_terminal(runtime: RuntimeStandIn, account: Account) -> None:
    runtime.script = lambda _body, _stream: streamed(delta("a\x1b]52;c;aGk"), delta("=\x07b\x1b[2"), delta("Jc"))
    assert Conversation(account, "chat", "messages").ask("x").text == "abc"


def test_the_endpoint_is_told_what_was_said_before(runtime: RuntimeStandIn, account: Account) -> None:
    runtime.image = DLC
    runtime.script = lambda _body, _stream: whole("Yes.")
    conversation = Conversation(account, "chat", "messages", system="Be brief.")
    first = conversation.ask("Is it cold?")
    conversation.ask("Still?")
    assert not first.streamed
    assert [stream for _, stream, _ in runtime.requests] == [False, False]
    roles = [message["role"] for message in json.loads(runtime.requests[1][0])["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_a_failed_question_leaves_the_history_as_it_was(runtime: RuntimeStandIn, account: Account) -> None:
    conversation = Conversation(account, "chat", "messages")
    runtime.script = lambda _body, _stream: streamed(delta("One."))
    conversation.ask("First")
    before = conversation.history
    runtime.script = lambda _body, _stream: streamed(
        delta("Tw"), end=event_stream.stream_error("StreamBroken", "the container went away")
    )
    with pytest.raises(InvocationError, match="the container went away"):
        conversation.ask("Second")
    runtime.script = lambda _body, _stream: model_error(500, "boom")
    with pytest.raises(InvocationError, match="boom"):
        conversation.ask("Third")
    for text in ("  ", "caf\udce9"):
        with pytest.raises(UsageError):
            conversation.ask(text)
    assert conversation.history == before


def test_a_container_that_cannot_stream_is_asked_again_for_the_whole(runtime: RuntimeStandIn, account: Account) -> None:
    def script(body: bytes, stream: bool) -> Reply:
        return model_error(400, "`stream`: this container cannot stream its answers.") if stream else whole("Fine.")

    runtime.script = script
    conversation = Conversation(account, "chat", "messages")
    answers = [conversation.ask("One"), conversation.ask("Two")]
    assert [(answer.text, answer.streamed) for answer in answers] == [("Fine.", False)] * 2
    assert [stream for _, stream, _ in runtime.requests] == [True, False, False]


def test_the_oldest_turns_are_forgotten_when_the_model_cannot_hold_them(
    runtime: RuntimeStandIn, account: Account
) -> None:
    runtime.image = DLC

    def script(body: bytes, _stream: bool) -> Reply:
        messages = json.loads(body)["messages"]
        if len(messages) > 5:
            return model_error(
                400, "The prompt has 300 tokens, and the model holds 256 with its answer: send a shorter one."
            )
        return whole(f"{len(messages)}")

    runtime.script = script
    conversation = Conversation(account, "chat", "messages")
    answers = [conversation.ask(f"question {number}") for number in range(4)]
    assert [(answer.text, answer.forgotten) for answer in answers] == [("1", 0), ("3", 0), ("5", 0), ("5", 1)]
    assert [message.content for message in conversation.history[::2]] == ["question 1", "question 2", "question 3"]


def test_a_model_without_roles_goes_on_from_the_text_alone(runtime: RuntimeStandIn, account: Account) -> None:
    runtime.image = DLC

    def script(body: bytes, _stream: bool) -> Reply:
        sent = json.loads(body)
        prompt = sent.get("inputs") or sent["text"]
        return Reply(
            headers={"Content-Type": "application/json"},
            body=json.dumps([{"generated_text": f"{prompt} a time"}]).encode(),
        )

    runtime.script = script
    dialects: tuple[Dialect, ...] = ("inputs", "text")
    for dialect in dialects:
        conversation = Conversation(account, "chat", dialect)
        conversation.ask("It was")
        assert conversation.ask("Once upon").text == " a time"
    assert "return_full_text" in json.loads(runtime.requests[0][0])["parameters"]


def test_stopping_in_the_middle_of_an_answer(runtime: RuntimeStandIn, account: Account) -> None:
    cancel = CancelToken()
    go_on = threading.Event()
    runtime.script = lambda _body, _stream: streamed(delta("One"), delta(" two"), then=lambda: go_on.wait(60))
    conversation = Conversation(account, "chat", "messages")
    with pytest.raises(CancelledByUser):
        conversation.ask("Count", cancel=cancel, on_text=lambda _: cancel.cancel())
    assert not go_on.is_set()
    go_on.set()
    assert conversation.history == ()

"""Text generation with a causal language model, plain and chat, for the Hugging Face inference container.

SageMaker mounts the artifact at `/opt/ml/model`; the container's toolkit imports this file from its `code/` folder and
calls `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` for each request. It needs nothing but what the
container has (transformers 4.49 to 5.x, torch), never the network, and writes no file.

Requests (`application/json`) and their answers:

    {"inputs": "text", "parameters": {...}}         [{"generated_text": "text and what follows"}]
    {"inputs": ["text", ...], "parameters": {...}}  one such object for each text
    {"inputs": [{"role": ..., "content": ...}]}     [{"generated_text": "the answer alone"}]
    {"text": "text"}                                {"generated_text": "text and what follows"}
    {"messages": [...], "max_tokens": ..., ...}     a chat.completion object, as OpenAI's API answers

A `text/plain` body is the same as its text under `inputs`. Decoding is greedy unless sampling is asked for. What cannot
be answered is refused with status 400 and a sentence that names the field and the reason.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

try:  # In every container that runs this file. Its errors keep their status; any other would be a 500 in some.
    from sagemaker_inference.errors import BaseInferenceToolkitError as _ToolkitError
except ImportError:

    class _ToolkitError(Exception):  # type: ignore[no-redef]
        """A class of its own: `Exception` itself cannot stand before `ValueError` among the bases below."""


DEFAULT_NEW_TOKENS = 256
"""How much is generated when neither the request nor the model's own generation settings say."""
MAX_SECONDS = 50.0
"""SageMaker ends a request after 60 seconds: better the beginning of an answer than none."""
MAX_BATCH = 64
"""The longest list of inputs in one request."""

_NEW_TOKENS = ("max_new_tokens", "max_completion_tokens", "max_tokens")  # the first one that is given counts
_SHARED = ("repetition_penalty", "seed", "stop", "temperature", "top_k", "top_p")
_PARAMETERS = (*_SHARED, "do_sample", "max_new_tokens", "return_full_text")
_CHAT = (*_SHARED, "messages", "max_tokens", "max_completion_tokens", "stream", "model", "user")
_CHAT_FIXED = {"n": 1, "frequency_penalty": 0, "presence_penalty": 0, "logprobs": False}  # taken at these values only
_ROLES = ("system", "developer", "user", "assistant", "tool")
_GREEDY_BELOW = 0.01  # a smaller temperature would overflow the logits, and means greedy anyway
_CODE_ALLOWED = os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in {"1", "true"}  # the model's own, beside it
_OFFLINE = {"local_files_only": True, "trust_remote_code": _CODE_ALLOWED}
_DTYPE = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"  # renamed in 4.56

Message = dict[str, str]


class BadRequestError(_ToolkitError, ValueError):  # type: ignore[misc]
    """The request cannot be answered as it is; becomes HTTP status 400 with the message as its body."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message, "Bad Request")
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Options:
    """How to generate. `None` leaves the choice to the model's own generation settings, or to the defaults above."""

    new_tokens: int | None = None
    do_sample: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    return_full_text: bool | None = None

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn at random rather than the likeliest taken."""
        if self.do_sample is not None:
            return self.do_sample
        if self.temperature is not None:
            return self.temperature >= _GREEDY_BELOW
        return bool(self.top_k) or (self.top_p is not None and self.top_p < 1)


@dataclass(frozen=True)
class Request:
    """One request, checked as far as it can be without the model: `prompts`, or else the messages of one `chat`."""

    form: Literal["inputs", "text", "messages"]
    options: Options
    prompts: tuple[str, ...] = ()
    chat: tuple[Message, ...] = ()
    model: str = "model"


@dataclass(frozen=True)
class Served:
    """A loaded model. `positions` is how many tokens it holds, `None` where nothing limits it."""

    model: Any
    tokenizer: Any
    positions: int | None


@dataclass(frozen=True)
class Completion:
    """What was generated for one prompt; `reason` is `stop` (it came to an end) or `length` (it was cut off)."""

    text: str
    reason: Literal["stop", "length"]
    prompt_tokens: int
    new_tokens: int


# ---- The four handlers -------------------------------------------------------------------------------------------


def model_fn(model_dir: str) -> Served:
    """Load the model in the type of its checkpoint, on the GPU or GPUs where there are any.

    Raises:
        RuntimeError: the checkpoint lacks weights that the architecture needs.
    """
    transformers.utils.logging.disable_progress_bar()  # one line a step in the endpoint's log
    several = torch.cuda.device_count() > 1 and transformers.utils.is_accelerate_available()
    placement = {"device_map": "auto"} if several else {}
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        model_dir, output_loading_info=True, **_OFFLINE, **{_DTYPE: "auto"}, **placement
    )
    # transformers fills what is missing with random numbers and carries on: an endpoint that answers nonsense.
    for kind in ("missing_keys", "mismatched_keys"):
        if wrong := sorted(str(key) for key in report[kind]):
            raise RuntimeError(f"The checkpoint does not fit the model: {kind} {', '.join(wrong[:5])} ({len(wrong)}).")
    if not several:
        model.to("cuda" if torch.cuda.is_available() else "cpu")
    model.eval()
    return Served(model, _load_tokenizer(Path(model_dir)), _positions(model.config))


def input_fn(body: Any, content_type: str | None) -> Request:
    """Read and check one request.

    Raises:
        BadRequestError: it is not one of the forms above.
    """
    kind = (content_type or "application/json").split(";")[0].strip().lower()
    if kind not in {"application/json", "text/plain"}:
        raise BadRequestError(f"Content type {kind} is not supported: send application/json or text/plain.")
    try:
        text = body if isinstance(body, str) else bytes(body).decode("utf-8")
        data = {"inputs": text} if kind == "text/plain" else json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The body is not valid {kind} in UTF-8: {error}.") from None
    if not isinstance(data, dict):
        raise BadRequestError("The body must be a JSON object with `inputs`, `messages` or `text`.")
    if data.get("stream"):
        raise BadRequestError("`stream`: this container cannot stream its answers; leave `stream` out.")
    forms = [form for form in ("messages", "inputs", "text") if form in data]
    if len(forms) != 1:
        raise BadRequestError("The body needs exactly one of `inputs`, `messages` and `text`.")
    return _read_chat(data) if forms == ["messages"] else _read_plain(data, "text" if forms == ["text"] else "inputs")


def predict_fn(request: Request, served: Served) -> Any:
    """Generate, and return the answer as a value that JSON can hold.

    Raises:
        BadRequestError: the model cannot take this request: no chat template, a prompt that is too long.
    """
    prompts = (_as_prompt(served, request.chat),) if request.chat else request.prompts
    try:
        done = _complete(served, prompts, request.options, marked=bool(request.chat))
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        raise BadRequestError("The GPU has no memory left for this: send fewer or shorter prompts.") from None
    if request.form == "messages":
        return _as_chat_completion(done[0], request.model)
    full = request.options.return_full_text
    if request.chat:
        answer = {"role": "assistant", "content": done[0].text}
        return [{"generated_text": [*request.chat, answer] if full else done[0].text}]
    texts = [item.text if full is False else prompt + item.text for prompt, item in zip(prompts, done, strict=True)]
    answers = [{"generated_text": text} for text in texts]
    return answers[0] if request.form == "text" else answers


def output_fn(prediction: Any, accept: str | None) -> str:
    """Write the answer as JSON.

    Raises:
        BadRequestError: the caller accepts no JSON.
    """
    kinds = {part.split(";")[0].strip().lower() for part in (accept or "*/*").split(",")}
    if not kinds & {"application/json", "application/*", "*/*", ""}:
        raise BadRequestError(f"Accept {accept} is not supported: answers are application/json.")
    return json.dumps(prediction, ensure_ascii=False, allow_nan=False)


def _load_tokenizer(folder: Path) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_OFFLINE)
    except ValueError:  # a class that this version does not have: tokenizer.json says all that matters
        if not (folder / "tokenizer.json").is_file():
            raise
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder, **_OFFLINE)
    template = folder / "chat_template.jinja"  # where transformers 5 keeps it; 4.49 does not look there
    if not tokenizer.chat_template and template.is_file():
        tokenizer.chat_template = template.read_text(encoding="utf-8")
    return tokenizer


def _positions(config: Any) -> int | None:
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
    values = [getattr(config, name, None) for name in names]
    return next((value for value in values if isinstance(value, int) and value > 0), None)


# ---- Reading requests --------------------------------------------------------------------------------------------


def _read_plain(data: Mapping[str, Any], form: Literal["inputs", "text"]) -> Request:
    _refuse_unknown(data, [form, "parameters", "stream"], "")
    parameters = data.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadRequestError("`parameters` must be an object.")
    parameters = parameters or {}
    _refuse_unknown(parameters, _PARAMETERS, "parameters.")
    options = _read_options(parameters, "parameters.")
    given = data[form]
    if isinstance(given, str) or form == "text":
        return Request(form, options, (_text(given, form),))
    if not isinstance(given, list) or not given:
        raise BadRequestError("`inputs` must be a text, a list of texts, or a list of messages, and not be empty.")
    if isinstance(given[0], dict):
        return Request(form, options, chat=_messages(given, form))
    if len(given) > MAX_BATCH:
        raise BadRequestError(f"`inputs` has {len(given)} texts; at most {MAX_BATCH} fit in one request.")
    return Request(form, options, tuple(_text(item, f"inputs[{number}]") for number, item in enumerate(given)))


def _read_chat(data: Mapping[str, Any]) -> Request:
    _refuse_unknown(data, (*_CHAT, *_CHAT_FIXED), "")
    for name, only in _CHAT_FIXED.items():
        if data.get(name) not in (None, only):
            raise BadRequestError(f"`{name}`: this container supports only {json.dumps(only)}.")
    options = _read_options(data, "")
    model = str(data.get("model") or "model")
    return Request("messages", options, chat=_messages(data["messages"], "messages"), model=model)


def _read_options(given: Mapping[str, Any], path: str) -> Options:
    values = {name: check(given[name], path + name) for name, check in _CHECKS.items() if given.get(name) is not None}
    lengths = [values.pop(name) for name in _NEW_TOKENS if name in values]
    options = Options(new_tokens=next(iter(lengths), None), **values)
    if options.do_sample and options.temperature is not None and options.temperature < _GREEDY_BELOW:
        raise BadRequestError(f"`{path}temperature` must be at least {_GREEDY_BELOW} when `do_sample` is true.")
    return options


def _messages(given: Any, path: str) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise BadRequestError(f"`{path}` must be a list of messages, and not be empty.")
    messages = []
    for number, item in enumerate(given):
        here = f"{path}[{number}]"
        if not isinstance(item, dict) or item.get("role") not in _ROLES or "content" not in item:
            raise BadRequestError(f"`{here}` must be an object with `content` and a `role` out of {', '.join(_ROLES)}.")
        content = item["content"]
        if isinstance(content, list):  # OpenAI's parts: [{"type": "text", "text": "..."}]
            parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
            if len(parts) != len(content):
                raise BadRequestError(f"`{here}.content`: this model takes parts of type `text` only.")
            content = "".join(_text(part.get("text"), f"{here}.content") for part in parts)
        messages.append({"role": item["role"], "content": _text(content, f"{here}.content")})
    return tuple(messages)


def _text(given: Any, path: str) -> str:
    if not isinstance(given, str):
        raise BadRequestError(f"`{path}` must be a text.")
    if not given:
        raise BadRequestError(f"`{path}` is empty.")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequestError(f"`{path}` holds half of a surrogate pair, which is no text.") from None
    return given


def _stops(given: Any, path: str) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or len(stops) > 16:
        raise BadRequestError(f"`{path}` must be a text or a list of at most 16.")
    return tuple(_text(stop, path) for stop in stops)


def _flag(given: Any, path: str) -> bool:
    if not isinstance(given, bool):
        raise BadRequestError(f"`{path}` must be true or false.")
    return given


def _number(low: float, high: float, *, whole: bool = False, above: bool = False) -> Callable[[Any, str], Any]:
    def check(given: Any, path: str) -> Any:
        kind = isinstance(given, int if whole else int | float) and not isinstance(given, bool)
        if not kind or not low <= given <= high or (above and given == low):  # infinities and NaN are never within
            noun = "a whole number" if whole else "a number"
            raise BadRequestError(f"`{path}` must be {noun} {'above' if above else 'from'} {low} up to {high}.")
        return given

    return check


_CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(_NEW_TOKENS, _number(1, 2**31, whole=True)),
    **dict.fromkeys(("do_sample", "return_full_text"), _flag),
    "temperature": _number(0, 100),
    "top_p": _number(0, 1, above=True),
    "top_k": _number(0, 2**31, whole=True),
    "repetition_penalty": _number(0, 100, above=True),
    "seed": _number(0, 2**63 - 1, whole=True),
    "stop": _stops,
}


def _refuse_unknown(given: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise BadRequestError(f"`{path}{unknown[0]}` is not known here; known are {', '.join(sorted(known))}.")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# ---- Generating --------------------------------------------------------------------------------------------------


class _StopAtText:
    """Ends a row once its new text holds one of the stop texts. `lengths` keeps where each row ended."""

    def __init__(self, tokenizer: Any, stops: Sequence[str], start: int, rows: int) -> None:
        self.lengths: list[int | None] = [None] * rows
        self._tokenizer, self._stops, self._start = tokenizer, stops, start
        # A stop text is no longer in tokens than in bytes; the rest covers special tokens, which decode to nothing.
        self._tail = max(len(stop.encode()) for stop in stops) + 8

    def __call__(self, tokens: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        for row, ended in enumerate(self.lengths):
            if ended is None:
                new = tokens[row, self._start :][-self._tail :]
                text = self._tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                if any(stop in text for stop in self._stops):
                    self.lengths[row] = tokens.shape[1] - self._start
        return torch.tensor([ended is not None for ended in self.lengths], device=tokens.device)


def _as_prompt(served: Served, messages: tuple[Message, ...]) -> str:
    if not served.tokenizer.chat_template:
        raise BadRequestError(
            "This model has no chat template, so it cannot take messages. "
            'Send {"inputs": "your text"} instead, and it goes on from there.'
        )
    try:
        return str(served.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))
    except Exception as error:  # templates refuse, for one, roles that do not alternate; in words of their own
        raise BadRequestError(f"The model's chat template refuses these messages: {error}.") from error


def _complete(served: Served, prompts: Sequence[str], options: Options, *, marked: bool) -> list[Completion]:
    """Generate for all `prompts` at once. `marked` prompts carry their special tokens already."""
    tokenizer, model = served.tokenizer, served.model
    prompt_ids = [list(tokenizer(prompt, add_special_tokens=not marked)["input_ids"]) for prompt in prompts]
    longest = max(len(ids) for ids in prompt_ids)
    if min(len(ids) for ids in prompt_ids) == 0:
        raise BadRequestError("The prompt holds nothing that the model's tokenizer knows.")
    wanted = options.new_tokens or model.generation_config.max_new_tokens or DEFAULT_NEW_TOKENS
    if served.positions is not None:
        # Beyond its positions a model raises an IndexError (GPT-Neo, GPT-2) or answers noise.
        if longest >= served.positions:
            raise BadRequestError(
                f"The prompt has {longest} tokens, and the model holds {served.positions} with its answer: "
                "send a shorter one."
            )
        wanted = min(wanted, served.positions - longest)

    ends = _end_tokens(model, tokenizer)
    pad = next((token for token in (tokenizer.pad_token_id, *ends) if token is not None), 0)
    rows = [[pad] * (longest - len(ids)) + ids for ids in prompt_ids]
    mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompt_ids]
    stopper = _StopAtText(tokenizer, options.stop, longest, len(rows)) if options.stop else None
    settings: dict[str, Any] = {"max_new_tokens": wanted, "max_time": MAX_SECONDS, "pad_token_id": pad, "num_beams": 1}
    settings |= {"eos_token_id": ends} if ends else {}
    settings |= {"stopping_criteria": transformers.StoppingCriteriaList([stopper])} if stopper else {}
    with torch.inference_mode(), torch.random.fork_rng(enabled=options.samples):
        if options.samples:
            torch.seed() if options.seed is None else torch.manual_seed(options.seed)
        output = model.generate(
            torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            **settings,
            **_sampling(options),
        )
    lengths = stopper.lengths if stopper else [None] * len(rows)
    return [
        _completion(tokenizer, ids, new[longest:][:ended].tolist(), ends, options.stop)
        for ids, new, ended in zip(prompt_ids, output, lengths, strict=True)
    ]


def _completion(
    tokenizer: Any, prompt_ids: list[int], new_ids: list[int], ends: list[int], stops: Sequence[str]
) -> Completion:
    def text_of(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    reason: Literal["stop", "length"] = "length"
    for place, token in enumerate(new_ids):
        if token in ends:
            new_ids, reason = new_ids[: place + 1], "stop"  # what follows is padding
            break
    # Decoded with what precedes: alone, some tokenizers drop the space that a first token begins with.
    prompt, whole = text_of(prompt_ids), text_of(prompt_ids + new_ids)
    text = whole[len(prompt) :] if whole.startswith(prompt) else text_of(new_ids)
    if cuts := [place for stop in stops if (place := text.find(stop)) >= 0]:
        text, reason = text[: min(cuts)], "stop"
    return Completion(text, reason, len(prompt_ids), len(new_ids))


def _sampling(options: Options) -> dict[str, Any]:
    names = ("repetition_penalty", *(("temperature", "top_p", "top_k") if options.samples else ()))
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return {"do_sample": options.samples, **given}


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list | tuple) else [configured]
    return sorted({int(token) for token in (*several, tokenizer.eos_token_id) if token is not None})


def _as_chat_completion(done: Completion, model: str) -> dict[str, Any]:
    """The shape of OpenAI's chat completion object (API reference, "The chat completion object")."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": done.text}, "finish_reason": done.reason}],
        "usage": {
            "prompt_tokens": done.prompt_tokens,
            "completion_tokens": done.new_tokens,
            "total_tokens": done.prompt_tokens + done.new_tokens,
        },
    }

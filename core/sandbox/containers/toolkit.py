"""The rules of the Hugging Face inference toolkit: which functions of `code/inference.py` are called, and with what.

Written after `handler_service` of sagemaker-huggingface-inference-toolkit 2.6 and `mms.service` of multi-model-server
1.1, so that an artifact that works here works there: the same functions, the same counting of their arguments, the same
status for what they raise.
"""

import importlib
import importlib.util
import inspect
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from core.sandbox.containers.payloads import ANY, CSV, JSON, TEXT_TYPES, PredictionError, decode, encode
from core.sandbox.containers.pipelines import gpu_id, load_pipeline
from core.sandbox.containers.server import Answer, error_answer
from core.sandbox.containers.toolkit_context import Context, RequestProcessor

logger = logging.getLogger("handler_service")

_CONTENT_TYPE: Final = re.compile(r"^[Cc]ontent-?[Tt]ype")
_FULL_ARITY: Final[Mapping[str, int]] = {
    "model_fn": 2,
    "input_fn": 3,
    "predict_fn": 3,
    "output_fn": 3,
    "transform_fn": 5,
}
"""How many parameters each handler has when it takes `context`, which is always the last one."""


class HandlerError(Exception):
    """The functions of `inference.py` cannot be used as they are."""


def extra_arguments(name: str, function: Callable[..., Any], context: Context) -> tuple[Any, ...]:
    """Return what a handler is given after its own arguments: the context, or nothing. `**kwargs` counts as one.

    Raises:
        TypeError: the handler takes another number of arguments.
    """
    full, given = _FULL_ARITY[name], len(inspect.signature(function).parameters)
    if given == full:
        return (context,)
    if given == full - 1:
        return ()
    raise TypeError(f"{name} definition takes {full - 1} or {full} arguments but {given} were given.")


def user_functions(module: Any) -> dict[str, Callable[..., Any]]:
    """Return the handler functions that a module defines, by name.

    Raises:
        HandlerError: `transform_fn` stands beside functions that it replaces.
    """
    found = {name: getattr(module, name) for name in _FULL_ARITY if getattr(module, name, None) is not None}
    if "transform_fn" in found and found.keys() & {"input_fn", "predict_fn", "output_fn"}:
        raise HandlerError(
            "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn "
            "implementation"
        )
    return found


class HuggingFaceService:
    """A model folder served by the toolkit's rules: its own functions where it has them, the default ones otherwise."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._context = Context(str(model_dir), gpu_id=None)
        self._functions: dict[str, Callable[..., Any]] = {}
        self._extra: dict[str, tuple[Any, ...]] = {}
        self._model: Any = None

    def load(self) -> None:
        """Import the user's module, find its functions and load the model.

        Raises:
            HandlerError: handler functions that cannot be mixed.
            TypeError: a handler with a wrong number of arguments.
            Exception: whatever the module or its `model_fn` raises.
        """
        module = self._import_user_module()
        self._functions = user_functions(module) if module else {}
        for name in _FULL_ARITY:
            if name in self._functions:
                logger.info("`%s` implementation found. It will be used in place of the default one.", name)
                self._extra[name] = extra_arguments(name, self._functions[name], self._context)
            elif module:
                logger.info(
                    "No `%s` implementation was found. The default one from the handler service will be used.", name
                )
        if "model_fn" in self._functions:
            if "torch" in sys.modules:  # asked only where it costs nothing: a handler without torch needs none
                self._context.system_properties["gpu_id"] = gpu_id()
            self._model = self._functions["model_fn"](str(self._model_dir), *self._extra["model_fn"])
        else:
            self._context.system_properties["gpu_id"] = gpu_id()
            self._model = load_pipeline(self._model_dir)

    def _import_user_module(self) -> Any:
        code = self._model_dir / "code"
        sys.path.insert(0, str(code))
        if (code / "core").exists() or (code / "core.py").exists():
            # The user's own `core` comes first. All that is needed of ours has been imported, and is kept alive by it.
            for name in [name for name in sys.modules if name.split(".")[0] == "core"]:
                del sys.modules[name]
        name = os.environ.get("SAGEMAKER_PROGRAM", "inference.py").removesuffix(".py")
        if importlib.util.find_spec(name) is None:
            logger.info(
                "No inference script implementation was found at `%s`. "
                "Default implementation of all functions will be used.",
                name,
            )
            return None
        logger.info("Inference script implementation found at `%s`.", name)
        return importlib.import_module(name)

    def answer(self, headers: Mapping[str, str], body: bytearray) -> Answer:
        """Answer one invocation. What the functions raise becomes status 400, as in the toolkit."""
        processor = RequestProcessor(dict(headers))
        self._context.request_processor = [processor]
        try:
            result = self._handle(processor, body)
        except Exception as error:
            logger.exception("Prediction error")
            return error_answer(400, "InternalServerException", str(error))
        if isinstance(result, bytes | bytearray):
            payload = bytes(result)
        elif isinstance(result, str):
            payload = result.encode()
        else:
            try:
                payload = json.dumps(result, indent=2).encode()
            except TypeError:
                logger.warning("Unable to serialize model output.", exc_info=True)
                return error_answer(503, "InternalServerException", "Unsupported model output data type.")
        return Answer(processor.get_response_status_code(), payload, processor.get_response_headers())

    def _handle(self, processor: RequestProcessor, body: bytearray) -> Any:
        properties = processor.get_request_properties()
        content_type = next((value for key, value in properties.items() if _CONTENT_TYPE.match(key)), None)
        accept = properties.get("Accept") or properties.get("accept")
        if not accept or accept == ANY:
            accept = JSON
        data = body.decode("utf-8") if content_type in TEXT_TYPES else body
        result = self._transform(data, content_type, accept)
        self._context.set_response_content_type(0, accept)
        return result

    def _transform(self, data: Any, content_type: str | None, accept: str) -> Any:
        if "transform_fn" in self._functions:
            return self._call("transform_fn", self._model, data, content_type, accept)
        decoded = self._call("input_fn", data, content_type)
        prediction = self._call("predict_fn", decoded, self._model)
        return self._call("output_fn", prediction, accept)

    def _call(self, name: str, *arguments: Any) -> Any:
        if name in self._functions:
            return self._functions[name](*arguments, *self._extra[name])
        return _DEFAULTS[name](*arguments)


def _default_input(data: Any, content_type: str | None) -> Any:
    if os.environ.get("HF_TASK") in ("zero-shot-classification", "table-question-answering") and content_type == CSV:
        raise PredictionError(
            f"content type {content_type} not support with {os.environ.get('HF_TASK')}, use different content_type", 400
        )
    return decode(data, content_type)


def _default_predict(data: Any, model: Any) -> Any:
    inputs = data.pop("inputs", data)
    parameters = data.pop("parameters", None)
    return model(inputs, **parameters) if parameters is not None else model(inputs)


_DEFAULTS: Final[Mapping[str, Callable[..., Any]]] = {
    "input_fn": _default_input,
    "predict_fn": _default_predict,
    "output_fn": encode,
}

"""Stand-in for the Hugging Face inference container.

    python -m core.sandbox.containers.huggingface --model-dir FOLDER --port PORT

It serves a model folder (what SageMaker mounts at `/opt/ml/model`) by the rules of the Hugging Face inference toolkit,
in the interpreter it is started with, on the CPU or on CUDA where there is one. Settings come from the environment, as
in the container: `HF_TASK`, `HF_MODEL_ID`, `HF_MODEL_REVISION`, `HF_API_TOKEN`, `HF_TRUST_REMOTE_CODE`,
`SAGEMAKER_PROGRAM`. Output goes to standard output and error. Standard input is watched: when it closes, this ends.

The answer to an invocation is always whole: this container cannot stream, and neither can the one it stands for.
"""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from core.sandbox.containers.guard import end_with_parent

logger = logging.getLogger("container")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stand-in until it is ended; return 1 when the model does not load."""
    end_with_parent()
    parser = argparse.ArgumentParser(description="Stand-in for the Hugging Face inference container.")
    parser.add_argument("--model-dir", type=Path, required=True, help="what SageMaker mounts at /opt/ml/model")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--port", type=int, help="port on 127.0.0.1")
    place.add_argument("--listener", type=int, help="file descriptor of a listening socket, inherited from the starter")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s [%(levelname)-5s] %(name)s - %(message)s"
    )
    listener = _listen(options.port) if options.listener is None else socket.socket(fileno=options.listener)
    try:
        _serve(options.model_dir.absolute(), listener)
    except Exception:
        logger.exception("The model could not be loaded")
    return 1


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    logger.info("Listening on 127.0.0.1:%d", listener.getsockname()[1])
    return listener


def _serve(model_dir: Path, listener: socket.socket) -> None:
    from core.sandbox.containers.server import ModelServer
    from core.sandbox.containers.toolkit import HuggingFaceService

    if "HF_MODEL_ID" in os.environ:
        model_dir = _hub_model(Path.home() / "hub_model")
    requirements = model_dir / "code" / "requirements.txt"
    if requirements.is_file():
        _prepare_requirements(requirements)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        del os.environ[name]  # may hold credentials of an index, which are not the model's business
    ModelServer(HuggingFaceService(model_dir), listener).run()


def _prepare_requirements(path: Path) -> None:
    from core.sandbox.containers.requirements import INSTALL_VARIABLE, install_requirements, report_requirements

    if os.environ.get(INSTALL_VARIABLE) == "1":
        install_requirements(path, Path.home() / "site-packages")
    else:
        report_requirements(path)


def _hub_model(folder: Path) -> Path:
    """Download the model that `HF_MODEL_ID` names: the container then serves it, and not `/opt/ml/model`."""
    from huggingface_hub import snapshot_download

    logger.warning("HF_MODEL_ID is set: that model is served, and what was mounted at /opt/ml/model is not.")
    return Path(
        snapshot_download(
            os.environ["HF_MODEL_ID"],
            revision=os.environ.get("HF_MODEL_REVISION"),
            token=os.environ.get("HF_API_TOKEN"),
            local_dir=folder,
        )
    )


if __name__ == "__main__":
    sys.exit(main())

"""Serving engines: what runs in the container. Data, not code.

An engine is told from its image's repository, so that an endpoint that something else deployed can be recognised too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from core.instances.catalog import Accelerator
from core.instances.engine_rules import ENGINE_RULES

HUGGINGFACE = "huggingface"
"""The Hugging Face inference container of AWS's Deep Learning Containers."""

REMOTE_CODE_ALLOWED: Mapping[str, str] = MappingProxyType({"HF_TRUST_REMOTE_CODE": "true"})
"""What tells the container, and the templates, that the code a model brings may be run."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Engine:
    """One serving engine.

    `repositories` are the image repositories it is published in. `uses_template`: it runs an inference template out of
    the artifact's `code/`; otherwise it speaks `dialects` of its own. `environment` is what every container of it is
    given. What it asks of a machine is in `core.instances.engine_rules`.
    """

    name: str
    title: str
    repositories: tuple[str, ...]
    uses_template: bool
    streams: bool
    dialects: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: _NONE)

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """What its images compute on."""
        return ENGINE_RULES[self.name].accelerators

    @property
    def architectures(self) -> tuple[str, ...]:
        """The processors its images are built for."""
        return ENGINE_RULES[self.name].architectures


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        HUGGINGFACE: Engine(
            name=HUGGINGFACE,
            title="Hugging Face inference container",
            repositories=("huggingface-pytorch-inference",),
            uses_template=True,
            # Multi Model Server's worker protocol has no frame for a part of an answer.
            streams=False,
            environment=MappingProxyType(
                {
                    "SAGEMAKER_PROGRAM": "inference.py",
                    # Its default is one worker for each vCPU or GPU, and every worker loads a copy of the model.
                    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
                    # HF_MODEL_ID must not be set: with it the container ignores /opt/ml/model.
                    "HF_HUB_OFFLINE": "1",
                }
            ),
        )
    }
)
"""Every engine the program deploys, by name."""

DEPLOYABLE: tuple[str, ...] = tuple(ENGINES)
"""Their names, for the fit of what is to be deployed."""


def engine_of_image(uri: str) -> str | None:
    """Return the name of the engine whose image `uri` is, `None` when it is none of ours."""
    repository = uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return next((engine.name for engine in ENGINES.values() if repository in engine.repositories), None)

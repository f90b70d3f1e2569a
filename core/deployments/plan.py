"""The plan: the complete, reviewable description of one deployment.

The wizard writes it, every front end can run it. It holds decisions and their reasons, never a secret, and of the
account only the region and what a person chose there (a bucket, an existing role): without such a choice the same plan
runs on AWS and in the sandbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from core.artifacts.manifest import ArtifactForm
from core.models.facts import ModelFile, WeightFormat

PLAN_VERSION = 1
DEFAULT_VARIANT = "AllTraffic"
DIALECTS: Final = ("messages", "inputs", "text")
"""The request formats that a chat knows; those of `core.endpoints.dialects`, which this layer is below."""


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """The model and the very files of it. `revision` is the commit, `None` for a folder.

    `remote_code`: the code that the model brings is among the files, and is run in the container.
    """

    reference: str
    revision: str | None
    task: str
    library: str | None
    architecture: str | None
    parameters: int | None
    dtype: str | None
    weight_format: WeightFormat
    weight_bytes: int
    chat_template: bool
    files: tuple[ModelFile, ...]
    remote_code: bool = False


@dataclass(frozen=True, slots=True)
class PlannedArtifact:
    """What is packaged where. `bucket` is `None` for the account's own default bucket of the region.

    Below `key_prefix` each run makes a folder of its own, unless the same artifact is there already. With `convert`,
    pickled weights (`.bin`) are turned into safetensors while packaging. `kms_key` is the key that its objects are
    encrypted with: an ARN, an id or an alias (`alias/NAME`); `None` leaves that to the bucket.
    """

    template: str
    template_sha256: str
    bucket: str | None
    key_prefix: str
    convert: bool = False
    form: ArtifactForm = "archive"
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedContainer:
    """The serving container: its engine, its image's URI and its environment (no secrets).

    `dialect` is the request format that a chat with the endpoint uses, one of `DIALECTS`.
    """

    engine: str
    image: str
    environment: Mapping[str, str]
    inference_ami_version: str | None
    dialect: str = "inputs"


@dataclass(frozen=True, slots=True)
class PlannedRole:
    """The execution role: an existing one by ARN, or one to create by name."""

    arn: str | None
    create: str | None


@dataclass(frozen=True, slots=True)
class PlannedEndpoint:
    """The endpoint: names and sizes. Timeouts are seconds, within SageMaker's 60 to 3,600.

    `volume_gb` is the size in GB of the volume of each instance, within SageMaker's 1 to 512; `None` for the instance's
    own disk, or SageMaker's default volume where it has none. `context` (tokens) and `concurrency` (requests at once)
    are what the type was chosen to hold; a `context` of `None` is the default for the model.
    """

    name: str
    instance_type: str
    instance_count: int
    variant: str
    startup_timeout_seconds: int
    download_timeout_seconds: int
    price_usd_per_hour: float | None
    price_source: Literal["api", "list", "unknown"]
    volume_gb: int | None = None
    context: int | None = None
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment, decided. `reasons` says of each decision why, by its dotted name (`endpoint.instance_type`)."""

    model: PlannedModel
    artifact: PlannedArtifact
    container: PlannedContainer
    role: PlannedRole
    endpoint: PlannedEndpoint
    region: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    version: int = PLAN_VERSION

    @property
    def price_usd_per_hour(self) -> float | None:
        """What all instances cost together, USD per hour."""
        each = self.endpoint.price_usd_per_hour
        return None if each is None else each * self.endpoint.instance_count

"""Values the screens are shown in tests: a model in shards, the machines it fits on, a plan, a run that failed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.aws.roles import Role
from core.deployments.events import STAGES, Event, Stage
from core.deployments.plan import Plan
from core.errors import DeploymentFailedError
from core.instances.catalog import catalog, find_instance_type
from core.instances.fit import Budget, Fit, FitRow, FitTable, LimitedBy
from core.instances.offers import Offers
from core.instances.prices import Price
from core.instances.quotas import Quota
from core.models.facts import LeftOut, ModelFacts, ModelFile, Pipeline, PipelinePart, ShardIndex, WeightSet
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set
from tests.unit.plans import a_plan
from tui.draft import Draft
from tui.runs import DeploymentRun

BEGUN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
GIB = 2**30


def some_facts(reference: str = "org/tiny", warning: str = "The licence forbids commercial use.") -> ModelFacts:
    weights = some_weights()
    files = (*weights.files, *(entry.file for entry in weights.left_out))
    return ModelFacts(
        reference=HubReference(reference),
        revision="0123456789abcdef0123456789abcdef01234567",
        files=files,
        task="text-generation",
        library="transformers",
        architecture="GPTNeoXForCausalLM",
        parameters=20_554_567_680,
        dtype="float16",
        license="apache-2.0",
        gated="auto",
        warnings=(warning,),
    )


def some_weights(path: str = "tokenizer.json", reason: str = "the same weights in another format") -> WeightSet:
    return WeightSet(
        format="safetensors",
        weights=tuple(ModelFile(f"model-0000{number}-of-00003.safetensors", 9 * 10**9) for number in (1, 2, 3)),
        support=(ModelFile("config.json", 900), ModelFile(path, 2_100_000)),
        left_out=(LeftOut(ModelFile("pytorch_model.bin", 27 * 10**9), reason),),
    )


def a_row(name: str, price: float | None, limited_by: LimitedBy | None = None, quota: Quota | None = None) -> FitRow:
    instance = find_instance_type(name)
    gpu = Budget(20 * GIB, (18 if limited_by == "gpu" else 22) * GIB) if instance.gpu else None
    fit = Fit(instance, "huggingface", 1, 2048, gpu, Budget(6 * GIB, 14 * GIB), Budget(30 * 10**9, 10**12), limited_by)
    return FitRow(fit, Price(price, "unknown" if price is None else "list"), quota)


def a_table() -> FitTable:
    return FitTable(
        context=2048,
        concurrency=1,
        rows=(
            a_row("ml.g5.2xlarge", 1.515, quota=Quota(2, 1)),
            a_row("ml.g5.12xlarge", 7.09, quota=Quota(0, 0)),
            a_row("ml.g6e.2xlarge", None),
            a_row("ml.g4dn.xlarge", 0.736, "gpu", Quota(1, 0)),
        ),
        recommended="ml.g5.2xlarge",
        smallest_change=None,
    )


_LANGUAGE = {
    "model_type": "qwen2",
    "num_hidden_layers": 28,
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
}


def language_facts(**others: Any) -> ModelFacts:
    """Return the facts of a model of 7.6 billion parameters in four shards, that attends to 32,768 tokens."""
    files = (
        ModelFile("config.json", 900),
        ModelFile("model.safetensors.index.json", 30_000),
        *(ModelFile(f"model-0000{number}-of-00004.safetensors", 3_800_000_000) for number in (1, 2, 3, 4)),
        ModelFile("tokenizer.json", 7_000_000),
        ModelFile("pytorch_model.bin", 15_200_000_000),
    )
    shards = tuple(file.path for file in files if file.path.startswith("model-"))
    known: dict[str, Any] = {
        "reference": HubReference("org/language"),
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "files": files,
        "config": _LANGUAGE,
        "task": "text-generation",
        "library": "transformers",
        "architecture": "Qwen2ForCausalLM",
        "parameters": 7_615_616_512,
        "dtype": "bfloat16",
        "indexes": (ShardIndex("model.safetensors.index.json", shards),),
    }
    return ModelFacts(**{**known, **others})


def gguf_facts(*quantizations: str) -> ModelFacts:
    """Return the facts of a repository with one GGUF file for each quantization, each twice as large as the last."""
    sizes = enumerate(quantizations or ("Q4_K_M", "Q8_0"))
    files = tuple(ModelFile(f"language-{name}.gguf", 4 * 10**9 * 2**number) for number, name in sizes)
    return language_facts(reference=HubReference("org/language-GGUF"), files=files, indexes=(), library="gguf")


def picture_facts() -> ModelFacts:
    """Return the facts of a pipeline that makes pictures, with weights in two variants."""
    files = (
        ModelFile("model_index.json", 500),
        ModelFile("unet/config.json", 500),
        ModelFile("unet/diffusion_pytorch_model.safetensors", 5 * 10**9),
        ModelFile("unet/diffusion_pytorch_model.fp16.safetensors", 5 * 10**9 // 2),
    )
    unet = PipelinePart("unet", "diffusers", "UNet2DConditionModel")
    return ModelFacts(
        reference=HubReference("org/pictures"),
        revision=None,
        files=files,
        task="text-to-image",
        library="diffusers",
        pipeline=Pipeline("StableDiffusionXLPipeline", (unet,), 1024),
    )


def some_offers(**quotas: int) -> Offers:
    """Return list prices, and a quota of two of every type; those named (`ml_g5_xlarge=0`) have so many."""
    named = {name.replace("_", "."): limit for name, limit in quotas.items()}
    limits = {name: named.get(name, 2) for name in catalog()}
    return Offers(quotas={name: Quota(limit, 0, "L-12345678", "us-east-1") for name, limit in limits.items()})


def a_fitted_draft(facts: ModelFacts | None = None, offers: Offers | None = None) -> Draft:
    """Return a draft whose table is reckoned from the model's facts and the account's offers, as in the program."""
    facts = facts or language_facts()
    draft = Draft(reference=str(facts.reference), roles=some_roles(), seen=frozenset({"model"}))
    return draft.with_model(facts, select_weight_set(facts)).with_offers(offers or some_offers())


def some_roles() -> tuple[Role, ...]:
    return (
        Role(
            "AmazonSageMaker-ExecutionRole",
            "arn:aws:iam::123456789012:role/AmazonSageMaker-ExecutionRole",
            BEGUN,
            False,
        ),
        Role("sagewizard-old-us-east-1", "arn:aws:iam::123456789012:role/sagewizard-old-us-east-1", BEGUN, True),
    )


def a_draft(plan: Plan | None = None) -> Draft:
    return Draft(
        reference="org/tiny",
        facts=some_facts(),
        weights=some_weights(),
        table=a_table(),
        roles=some_roles(),
        plan=plan or a_plan(),
        seen=frozenset({"model", "size", "instance", "role"}),
    )


def a_failed_run(message: str = "worker died with code 1") -> DeploymentRun:
    """Return a run that got as far as the endpoint, failed there and was undone."""
    run = DeploymentRun(a_plan(), started=BEGUN)
    at = BEGUN
    for stage in STAGES[:6]:
        run.apply(Event("d1", stage, "started", f"Begin {stage}", at=at))
        if stage == "upload":
            run.apply(Event("d1", stage, "progress", "Uploading", 2_000_000, 4_000_000, "bytes", at=at))
        at += timedelta(seconds=7)
        run.apply(Event("d1", stage, "finished", f"Done with {stage}", at=at))
    run.apply(Event("d1", "endpoint", "started", "Creating the endpoint tiny", at=at))
    run.apply(Event("d1", "endpoint", "log", message, at=at))
    at += timedelta(minutes=2)
    run.apply(Event("d1", "rollback", "started", "Removing what tiny is made of", at=at))
    run.apply(Event("d1", "rollback", "finished", "Nothing is left", at=at + timedelta(seconds=3)))
    problem = DeploymentFailedError(f"The endpoint failed to start: {message}.", fix="Read what the container said.")
    run.apply(Event("d1", "endpoint", "failed", problem.message, cause=problem.message, fix=problem.fix, at=at))
    run.finish("failed", problem)
    run.ended = at + timedelta(seconds=3)
    return run


def a_transferring_run() -> DeploymentRun:
    """Return a run that packages and uploads at once, for 47 seconds by now."""
    run = DeploymentRun(a_plan(), started=BEGUN)
    at = BEGUN + timedelta(seconds=3)
    total, file = 3_100_000_000, "model/model-0000{}-of-00046.safetensors"
    run.apply(Event("d1", "inspect", "started", "Checking org/tiny and the account", at=BEGUN))
    run.apply(Event("d1", "inspect", "finished", "All as planned", at=at))
    run.apply(Event("d1", "package", "started", "Reading 3.1 GB to be stored as one model.tar.gz", at=at))
    run.apply(Event("d1", "upload", "started", "Uploading to s3://sagemaker-us-east-1-123456789012", at=at))
    under_way: tuple[tuple[Stage, int, int, float], ...] = (
        ("package", 1_290_000_000, 3, 90e6),
        ("upload", 1_160_000_000, 2, 84.2e6),
    )
    for stage, done, number, rate in under_way:
        run.apply(
            Event(
                "d1",
                stage,
                "progress",
                "On",
                done,
                total,
                "bytes",
                file=file.format(number),
                rate=rate,
                seconds_left=23.4,
                at=at,
            )
        )
    return run

"""Plans for tests."""

from core.deployments.plan import (
    Plan,
    PlannedArtifact,
    PlannedContainer,
    PlannedEndpoint,
    PlannedModel,
    PlannedRole,
)
from core.models.facts import ModelFile


def a_plan(name: str = "tiny", region: str = "us-east-1") -> Plan:
    return Plan(
        model=PlannedModel(
            reference="org/tiny",
            revision="0" * 40,
            task="text-generation",
            library="transformers",
            architecture="GPTNeoForCausalLM",
            parameters=1_000_000,
            dtype="float32",
            weight_format="safetensors",
            weight_bytes=4_000_000,
            chat_template=True,
            files=(
                ModelFile("config.json", 900, git_sha1="1" * 40),
                ModelFile("model.safetensors", 4_000_000, sha256="2" * 64),
            ),
        ),
        artifact=PlannedArtifact("text_generation", "3" * 64, None, f"sagemaker/sagewizard/{name}/"),
        container=PlannedContainer(
            "huggingface",
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-cpu",
            {"HF_TASK": "text-generation"},
            None,
        ),
        role=PlannedRole(arn=None, create=f"sagewizard-{name}-{region}"),
        endpoint=PlannedEndpoint(name, "ml.m5.large", 1, "AllTraffic", 300, 300, 0.115, "list"),
        region=region,
        reasons={"endpoint.instance_type": "the cheapest that fits"},
    )

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import ARN, IMAGE, TRUST, Aws, refused


class TestRequestValidation:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"ModelName": "a_b"},
                (
                    "1 validation error detected: Value 'a_b' at 'modelName' failed to satisfy constraint: Member must "
                    r"satisfy regular expression pattern: [a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?"
                ),
            ),
            (
                {"ModelName": "a" * 64},
                (
                    f"1 validation error detected: Value '{'a' * 64}' at 'modelName' failed to satisfy constraint: "
                    "Member must have length less than or equal to 63"
                ),
            ),
            (
                {"ModelName": None},
                (
                    "1 validation error detected: Value null at 'modelName' failed to satisfy constraint: "
                    "Member must not be null"
                ),
            ),
            (
                {"ExecutionRoleArn": "abc"},
                (
                    "2 validation errors detected: Value 'abc' at 'executionRoleArn' failed to satisfy constraint: "
                    "Member must have length greater than or equal to 20; Value 'abc' at 'executionRoleArn' failed to "
                    "satisfy constraint: Member must satisfy regular expression pattern: "
                    r"arn:aws[a-z\-]*:iam::\d{12}:role/?"
                    r"[a-zA-Z_0-9+=,.@\-_/]+"
                ),
            ),
            (
                {"PrimaryContainer": {"Image": "i", "Environment": {"1A": "x"}}},
                (
                    "1 validation error detected: Value '{1A=x}' at 'primaryContainer.environment' failed to satisfy "
                    "constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
                    "[a-zA-Z_][a-zA-Z0-9_]*]"
                ),
            ),
        ],
    )
    def test_of_a_model(self, aws: Aws, change: Mapping[str, Any], message: str) -> None:
        request = {"ModelName": "m", "PrimaryContainer": {"Image": "i"}, "ExecutionRoleArn": "a" * 20, **change}
        request["ExecutionRoleArn"] = change.get("ExecutionRoleArn", "arn:aws:iam::123456789012:role/nobody")
        found = refused(aws.sagemaker.create_model, **{k: v for k, v in request.items() if v is not None})
        assert found == ("ValidationException", message)

    def test_of_a_variant(self, aws: Aws) -> None:
        wrong = aws.variant(
            "m", InstanceType="ml.zz9.huge", ContainerStartupHealthCheckTimeoutInSeconds=30, VolumeSizeInGB=513
        )
        code, message = refused(
            aws.sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[aws.variant("m"), wrong]
        )
        assert code == "ValidationException"
        assert message.startswith("3 validation errors detected: ")
        where = "at 'productionVariants.2.member"
        assert (
            f"Value 'ml.zz9.huge' {where}.instanceType' failed to satisfy constraint: Member must satisfy enum"
            in message
        )
        assert "ml.g5.2xlarge" in message
        assert f"Value '30' {where}.containerStartupHealthCheckTimeoutInSeconds' failed to satisfy" in message
        assert (
            f"Value '513' {where}.volumeSizeInGB' failed to satisfy constraint: Member must have value less than"
            in message
        )

    def test_of_types(self, aws: Aws) -> None:
        assert refused(aws.sagemaker.list_models, MaxResults="many")[0] == "SerializationException"

    def test_of_an_operation_that_is_absent(self, aws: Aws) -> None:
        code, message = refused(aws.sagemaker.list_training_jobs)
        assert code == "UnknownOperationException"
        assert "ListTrainingJobs" in message


class TestModels:
    def test_are_made_described_and_deleted(self, aws: Aws) -> None:
        name = aws.name("Model")
        role = aws.role()
        container = {"Image": IMAGE, "Environment": {"HF_TASK": "text-generation"}}
        made = aws.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
        assert made["ModelArn"] == f"{ARN}:model/{name.lower()}"
        found = aws.sagemaker.describe_model(ModelName=name)
        assert found["PrimaryContainer"] == container
        assert found["ExecutionRoleArn"] == role
        assert abs(found["CreationTime"] - datetime.now(UTC)) < timedelta(minutes=1)
        aws.sagemaker.delete_model(ModelName=name)
        for call in (aws.sagemaker.describe_model, aws.sagemaker.delete_model):
            assert refused(call, ModelName=name) == (
                "ValidationException",
                f'Could not find model "{ARN}:model/{name.lower()}".',
            )

    def test_have_a_name_of_their_own(self, aws: Aws) -> None:
        name = aws.model()
        found = refused(
            aws.sagemaker.create_model,
            ModelName=name.upper(),
            PrimaryContainer={"Image": IMAGE},
            ExecutionRoleArn=aws.role(),
        )
        assert found == ("ValidationException", f'Cannot create already existing model "{ARN}:model/{name}".')

    @pytest.mark.parametrize(
        "change",
        [
            {"PrimaryContainer": None},
            {"PrimaryContainer": {}},
            {"Containers": [{"Image": IMAGE}]},
            {"ExecutionRoleArn": None},
            {"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}},
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "https://example.com/model.tar.gz"}},
        ],
    )
    def test_need_a_container_and_a_role(self, aws: Aws, change: Mapping[str, Any]) -> None:
        request = {
            "ModelName": aws.name(),
            "PrimaryContainer": {"Image": IMAGE},
            "ExecutionRoleArn": aws.role(),
            **change,
        }
        code, message = refused(aws.sagemaker.create_model, **{k: v for k, v in request.items() if v is not None})
        assert code == "ValidationException"
        assert message
        assert aws.sagemaker.list_models(NameContains=request["ModelName"])["Models"] == []


class TestRoles:
    def create(self, aws: Aws, role: str) -> Any:
        return refused(
            aws.sagemaker.create_model,
            ModelName=aws.name(),
            PrimaryContainer={"Image": IMAGE},
            ExecutionRoleArn=role,
        )

    def test_must_exist(self, aws: Aws) -> None:
        role = "arn:aws:iam::123456789012:role/nobody-at-all"
        assert self.create(aws, role) == (
            "ValidationException",
            (
                f"Could not assume role {role}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role."
            ),
        )

    def test_must_trust_sagemaker(self, aws: Aws) -> None:
        trust = json.loads(json.dumps(TRUST).replace("sagemaker", "lambda"))
        code, message = self.create(aws, aws.role(trust=trust))
        assert code == "ValidationException"
        assert message.startswith("Could not assume role arn:aws:iam::123456789012:role/role-")


def test_regions_are_apart(sandbox: RunningSandbox, aws: Aws) -> None:
    name = aws.model()
    elsewhere = Aws(sandbox, "eu-central-1")
    _code, message = refused(elsewhere.sagemaker.describe_model, ModelName=name)
    assert message == f'Could not find model "arn:aws:sagemaker:eu-central-1:123456789012:model/{name}".'

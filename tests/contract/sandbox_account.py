"""The sandbox's account as anybody's programs see it: plain boto3 clients, and things made in it by the line."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from core.sandbox.daemon import RunningSandbox

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers4.49.0-cpu-py312"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Aws:
    """Clients of the sandbox, made as anybody makes them, and names that no other test has."""

    def __init__(self, running: RunningSandbox, region: str = "us-east-1") -> None:
        self.session = boto3.Session(
            aws_access_key_id=running.access_key_id,
            aws_secret_access_key=running.secret_access_key,
            region_name=region,
        )
        self.running = running
        self.region = region
        self.made: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        if service not in self.made:
            # Faults of the request are what is tested here: botocore must not find them first.
            self.made[service] = self.session.client(
                service.replace("_", "-"),
                endpoint_url=self.running.url,
                config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
            )
        return self.made[service]

    def name(self, word: str = "thing") -> str:
        return f"{word}-{uuid4().hex[:10]}"

    def role(self, *statements: Mapping[str, Any], trust: Mapping[str, Any] = TRUST) -> str:
        name = self.name("role")
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            self.iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(document))
        return arn

    def bucket(self) -> str:
        name = self.name("bucket")
        elsewhere = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))
        return name

    def model(self, **more: Any) -> str:
        """A model without data: its endpoint fails at once, since the container finds no code."""
        name = self.name("model")
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": IMAGE},
            ExecutionRoleArn=self.role(),
            **more,
        )
        return name

    def variant(self, model: str, **more: Any) -> dict[str, Any]:
        return {
            "VariantName": "AllTraffic",
            "ModelName": model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            **more,
        }

    def config(self, *variants: Mapping[str, Any], **more: Any) -> str:
        name = self.name("config")
        variants = variants or (self.variant(self.model()),)
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **more)
        return name

    def settled(self, endpoint: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = until(
            lambda: self.sagemaker.describe_endpoint(EndpointName=endpoint),
            lambda found: found["EndpointStatus"] in {"Failed", "InService"},
        )
        return found

    def remove(self, endpoint: str) -> None:
        """Delete an endpoint that has settled and return once it is gone, so that no later test sees it."""
        self.sagemaker.delete_endpoint(EndpointName=endpoint)
        self.sagemaker.get_waiter("endpoint_deleted").wait(
            EndpointName=endpoint, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )


def until(look: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not good(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]

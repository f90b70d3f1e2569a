"""Requests in forms that few clients send, and what is told of them."""

import http.client
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import IMAGE, Aws


def test_an_unsigned_request_is_refused_in_its_services_own_form(sandbox: RunningSandbox) -> None:
    session: Any = botocore.session.get_session()
    settings = {
        "region_name": "us-east-1",
        "endpoint_url": sandbox.url,
        "config": Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    }
    for service, operation, code in (
        ("s3", "list_buckets", "AccessDenied"),
        ("sagemaker", "list_models", "MissingAuthenticationTokenException"),
        ("iam", "list_roles", "MissingAuthenticationTokenException"),
    ):
        with pytest.raises(ClientError, match="answers signed requests only") as caught:
            getattr(session.create_client(service, **settings), operation)()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("body", ["[" * 5_000, '{"ModelName":' + "[" * 5_000, "{", "[]", '"text"'])
def test_what_is_no_request_is_said_to_be_none(sandbox: RunningSandbox, body: str) -> None:
    status, said = _post(sandbox, body.encode(), {"Content-Length": str(len(body))})
    assert (status, said["__type"]) == (400, "SerializationException")


def test_a_body_in_chunks_is_read(sandbox: RunningSandbox) -> None:
    text = b'{"ModelName": "there-is-none"}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    status, said = _post(sandbox, chunked, {"Transfer-Encoding": "chunked"})
    assert status == 400
    assert "Could not find model" in said["message"]


def test_a_time_that_was_shown_filters_what_was_shown_with_it(aws: Aws) -> None:
    made = [aws.model() for _ in range(3)]
    shown = aws.sagemaker.describe_model(ModelName=made[1])["CreationTime"]
    listed = aws.sagemaker.list_models(CreationTimeAfter=shown, NameContains="model-", MaxResults=100)["Models"]
    assert made[1] not in [model["ModelName"] for model in listed if model["CreationTime"] <= shown]
    before = aws.sagemaker.list_models(CreationTimeBefore=shown + timedelta(milliseconds=1), MaxResults=100)["Models"]
    assert made[1] in [model["ModelName"] for model in before]


def test_model_data_may_be_named_by_its_address(aws: Aws) -> None:
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="a/model.tar.gz", Body=b"x")
    role = aws.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    for key, found in (("a/model.tar.gz", True), ("absent", False)):
        request = {
            "ModelName": aws.name("model"),
            "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"},
            "ExecutionRoleArn": role,
        }
        if found:
            assert aws.sagemaker.create_model(**request)["ModelArn"].endswith(request["ModelName"])
        else:
            with pytest.raises(ClientError, match="Could not access model data"):
                aws.sagemaker.create_model(**request)


def _post(sandbox: RunningSandbox, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Send DescribeModel with a body as it is; signatures are not checked, only whose key it is."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=30)
    scope = f"{sandbox.access_key_id}/20260101/us-east-1/sagemaker/aws4_request"
    connection.putrequest("POST", "/")
    for name, value in {
        "X-Amz-Target": "SageMaker.DescribeModel",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        **headers,
    }.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    said = answer.status, json.loads(answer.read())
    connection.close()
    return said

import json
from typing import Any

import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from core.sandbox.answers import error_for
from core.sandbox.request_scope import Scope, scope_of

HEADER = "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/eu-west-1/sagemaker/aws4_request, SignedHeaders=host, Signature=00"


@pytest.mark.parametrize(
    ("environ", "scope"),
    [
        ({"HTTP_AUTHORIZATION": HEADER}, Scope("AKIAX", "eu-west-1", "sagemaker")),
        ({"HTTP_AUTHORIZATION": "AWS AKIAX:sig="}, Scope("AKIAX", "us-east-1", "s3")),
        (
            {"QUERY_STRING": "X-Amz-Credential=AKIAX%2F20260101%2Fcn-north-1%2Fs3%2Faws4_request&X-Amz-Expires=1"},
            Scope("AKIAX", "cn-north-1", "s3"),
        ),
        ({"QUERY_STRING": "AWSAccessKeyId=AKIAX&Signature=x"}, Scope("AKIAX", "us-east-1", "s3")),
        ({}, None),
        ({"HTTP_AUTHORIZATION": "Bearer x"}, None),
        ({"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=AKIAX/x"}, None),
        ({"QUERY_STRING": "X-Amz-Credential=AKIAX"}, None),
    ],
)
def test_a_signature_names_key_region_and_service(environ: dict[str, str], scope: Scope | None) -> None:
    assert scope_of(environ) == scope


@given(st.text(), st.text())
def test_any_text_in_a_signature_is_read_or_passed_over(header: str, query: str) -> None:
    scope_of({"HTTP_AUTHORIZATION": header, "QUERY_STRING": query})


MESSAGES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1).map(
    lambda text: text.replace("\ufffe", "").replace("\uffff", "").strip() or "x"
)


@given(MESSAGES, st.sampled_from(["query", "ec2", "rest-xml", "rest-json", "json", "smithy-rpc-v2-cbor"]))
def test_botocore_reads_every_error(message: str, protocol: str) -> None:
    environ: dict[str, Any] = {}
    service = {"query": "sns", "ec2": "ec2", "rest-xml": "s3"}.get(protocol, "other")
    if protocol == "query":
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded; charset=utf-8"
    if protocol == "smithy-rpc-v2-cbor":
        environ["HTTP_SMITHY_PROTOCOL"] = "rpc-v2-cbor"
    answer = error_for(environ, service, "SomeCode", message)
    read = create_parser(protocol).parse(
        {"status_code": 400, "body": answer.body, "headers": {k.lower(): v for k, v in answer.headers.items()}}, None
    )
    assert read["Error"]["Code"] == "SomeCode"
    assert read["Error"]["Message"] == message


def test_an_answer_tells_its_length_and_a_request_id() -> None:
    sent: list[Any] = []
    body = error_for({}, "sagemaker", "Code", "ü").send(lambda status, headers: sent.append((status, dict(headers))))
    status, headers = sent[0]
    assert status == "400 Bad Request"
    assert int(headers["Content-Length"]) == len(b"".join(body))
    assert headers["x-amzn-RequestId"]
    assert json.loads(b"".join(body))["message"] == "ü"

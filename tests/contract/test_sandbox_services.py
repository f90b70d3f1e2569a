import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import IMAGE, Aws, refused


def run_aws(environment: Mapping[str, str], *words: str, fails: bool = False) -> Any:
    """Run the `aws` command of this environment, whichever shell it would be typed in."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("aws")), *words, "--output", "json"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert bool(done.returncode) == fails, done.stderr
    if fails:
        return done.stderr
    return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout


class TestTheAwsCommand:
    def test_knows_who_it_is_and_what_there_is(self, sandbox_environment: Mapping[str, str]) -> None:
        who = run_aws(sandbox_environment, "sts", "get-caller-identity")
        assert (who["Account"], who["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/sandbox")
        found = run_aws(sandbox_environment, "sagemaker", "list-endpoints", "--name-contains", "nothing-has-this")
        assert found == {"Endpoints": []}

    def test_moves_files_and_makes_a_model(
        self, aws: Aws, sandbox_environment: Mapping[str, str], tmp_path: Path
    ) -> None:
        bucket = aws.name("cli")
        file = tmp_path / "model.tar.gz"
        file.write_bytes(os.urandom(9 * 2**20))  # large enough for several parts
        run_aws(sandbox_environment, "s3", "mb", f"s3://{bucket}")
        run_aws(sandbox_environment, "s3", "cp", "--quiet", str(file), f"s3://{bucket}/m/model.tar.gz")
        run_aws(sandbox_environment, "s3", "cp", "--quiet", f"s3://{bucket}/m/model.tar.gz", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == file.read_bytes()
        role = aws.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/m/*"})
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/m/model.tar.gz"}
        words = ["sagemaker", "create-model", "--model-name", bucket, "--execution-role-arn", role]
        made = run_aws(sandbox_environment, *words, "--primary-container", json.dumps(container))
        assert made["ModelArn"].endswith(f":model/{bucket}")
        said = run_aws(sandbox_environment, *words, "--primary-container", json.dumps(container), fails=True)
        assert "Cannot create already existing model" in said

    def test_says_what_the_sandbox_lacks(self, sandbox_environment: Mapping[str, str]) -> None:
        said = run_aws(sandbox_environment, "ec2", "describe-instances", fails=True)
        assert "(ServiceNotInSandbox)" in said
        assert "The sandbox has no service “ec2”" in said


class TestS3:
    def test_takes_many_parts_and_gives_ranges(self, aws: Aws) -> None:
        bucket, data = aws.bucket(), os.urandom(17 * 2**20)
        aws.s3.upload_fileobj(io.BytesIO(data), bucket, "a/ü {}.bin")
        head = aws.s3.head_object(Bucket=bucket, Key="a/ü {}.bin")
        assert head["ETag"].endswith('-3"')
        part = aws.s3.get_object(Bucket=bucket, Key="a/ü {}.bin", Range="bytes=8388600-8388699")["Body"].read()
        assert part == data[8388600:8388700]

    def test_bucket_names_in_the_host_name_work(self, aws: Aws) -> None:
        bucket = aws.bucket()
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"by host")
        signed = aws.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        path, _, query = signed.removeprefix(aws.running.url).partition("?")
        host = f"{bucket}.s3.amazonaws.com"
        request = urllib.request.Request(
            f"{aws.running.url}{path.removeprefix(f'/{bucket}')}?{query}", headers={"Host": host}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read() == b"by host"

    def test_presigned_urls_of_both_kinds(self, aws: Aws) -> None:
        bucket = aws.bucket()
        aws.s3.put_object(Bucket=bucket, Key="k", Body=b"signed")
        for version in ("s3", "s3v4"):
            client = aws.session.client("s3", endpoint_url=aws.running.url, config=Config(signature_version=version))
            url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
            with urllib.request.urlopen(url, timeout=60) as answer:
                assert answer.read() == b"signed"


class TestOtherServices:
    def test_of_moto_answer(self, aws: Aws) -> None:
        policy = aws.iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")["Policy"]
        assert policy["IsAttachable"]
        group = f"/test/{aws.name()}"
        aws.logs.create_log_group(logGroupName=group)
        assert aws.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupName"] == group
        aws.cloudwatch.put_metric_data(
            Namespace=group.strip("/"), MetricData=[{"MetricName": "m", "Value": 1.0, "Unit": "Count"}]
        )
        assert aws.cloudwatch.list_metrics(Namespace=group.strip("/"))["Metrics"][0]["MetricName"] == "m"
        assert aws.scheduler.list_schedules()["Schedules"] == []

    @pytest.mark.parametrize(
        ("service", "call"),
        [
            ("ec2", "describe_instances"),  # EC2 Query
            ("sns", "list_topics"),  # Query
            ("route53", "list_hosted_zones"),  # REST-XML
            ("lambda", "list_functions"),  # REST-JSON
            ("dynamodb", "list_tables"),  # JSON 1.0
            ("ecr", "describe_repositories"),  # JSON 1.1
            ("arc-region-switch", "list_plans"),  # RPC v2 CBOR
        ],
    )
    def test_that_are_absent_say_so_in_every_protocol(self, aws: Aws, service: str, call: str) -> None:
        client = aws.session.client(service, endpoint_url=aws.running.url)
        code, message = refused(getattr(client, call))
        assert code == "ServiceNotInSandbox"
        assert message.startswith("The sandbox has no ")

    def test_tell_prices_from_the_list(self, aws: Aws) -> None:
        def prices(**fields: str) -> list[Any]:
            filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
            pages = aws.pricing.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
            return [json.loads(product) for page in pages for product in page["PriceList"]]

        (product,) = prices(instanceName="ml.g5.2xlarge", regionCode="us-east-1", component="Hosting")
        (term,) = product["terms"]["OnDemand"].values()
        (dimension,) = term["priceDimensions"].values()
        assert float(dimension["pricePerUnit"]["USD"]) == 1.515
        assert dimension["unit"] == "Hrs"
        assert prices(instanceName="ml.p5.48xlarge", regionCode="us-east-1") == []
        assert prices(instanceName="ml.g5.2xlarge", regionCode="eu-west-1") == []
        assert len(prices()) > 50


class TestKeys:
    @pytest.mark.parametrize(
        ("service", "call", "code"),
        [
            ("s3", "list_buckets", "InvalidAccessKeyId"),
            ("sts", "get_caller_identity", "InvalidClientTokenId"),
            ("sagemaker", "list_endpoints", "UnrecognizedClientException"),
            ("cloudwatch", "list_metrics", "UnrecognizedClientException"),
        ],
    )
    def test_of_nobody_are_refused(self, sandbox: RunningSandbox, service: str, call: str, code: str) -> None:
        client = boto3.client(
            service,
            endpoint_url=sandbox.url,
            region_name="us-east-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="x",
        )
        assert refused(getattr(client, call))[0] == code

    def test_of_users_and_assumed_roles_of_the_account_are_known(self, aws: Aws) -> None:
        user = aws.name("user")
        aws.iam.create_user(UserName=user)
        key = aws.iam.create_access_key(UserName=user)["AccessKey"]
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        role = aws.role(trust={"Version": "2012-10-17", **trust})
        session = aws.sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
        for found, who in ((key, f"user/{user}"), (session, "assumed-role/")):
            client = boto3.client(
                "sts",
                endpoint_url=aws.running.url,
                region_name="us-east-1",
                aws_access_key_id=found["AccessKeyId"],
                aws_secret_access_key=found["SecretAccessKey"],
                aws_session_token=found.get("SessionToken"),
            )
            assert who in client.get_caller_identity()["Arn"]

    @pytest.mark.parametrize("path", ["/", "/bucket/key", "/moto-api/reset", "/_sagewizard/health"])
    def test_are_needed_for_everything(self, sandbox: RunningSandbox, path: str) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(sandbox.url + path, timeout=60)
        assert caught.value.code == 403


def test_it_writes_nothing_to_its_log_while_all_goes_well(sandbox_home: Path, aws: Aws) -> None:
    log = sandbox_home / "data/sandbox/server.log"
    before = log.read_text()
    aws.s3.list_buckets()
    with pytest.raises(ClientError):
        aws.sagemaker.describe_model(ModelName="absent")
    assert log.read_text() == before

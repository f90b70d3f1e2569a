from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import IMAGE, Aws


class TestModelData:
    """What CreateModel finds out about the role's way to the data."""

    READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    FULL = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"

    def create(self, aws: Aws, role: str, data: Mapping[str, Any] | str) -> None:
        container = {"ModelDataUrl": data} if isinstance(data, str) else {"ModelDataSource": {"S3DataSource": data}}
        aws.sagemaker.create_model(
            ModelName=aws.name(), PrimaryContainer={"Image": IMAGE, **container}, ExecutionRoleArn=role
        )

    def attach(self, aws: Aws, role: str, *policies: str) -> None:
        for policy in policies:
            aws.iam.attach_role_policy(RoleName=role.rpartition("/")[2], PolicyArn=policy)

    def prefix(self, bucket: str, path: str = "model/") -> Mapping[str, Any]:
        return {"S3Uri": f"s3://{bucket}/{path}", "S3DataType": "S3Prefix", "CompressionType": "None"}

    def put(self, aws: Aws, *keys: str) -> str:
        bucket = aws.bucket()
        for key in keys:
            aws.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        return bucket

    def test_is_read_by_a_policy_for_just_this_object(self, aws: Aws) -> None:
        bucket = self.put(aws, "m/model.tar.gz", "other/model.tar.gz")
        allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/m/*"}
        role = aws.role(allow)
        self.create(aws, role, f"s3://{bucket}/m/model.tar.gz")
        uri = f"s3://{bucket}/other/model.tar.gz"
        with pytest.raises(ClientError) as caught:
            self.create(aws, role, uri)
        assert caught.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": (
                f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and that its '
                'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
                '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the '
                "object is located in us-east-1. If your Model uses multiple models or uncompressed models, please "
                'ensure that the role has "s3:ListBucket" permission.'
            ),
        }

    def test_must_be_there(self, aws: Aws) -> None:
        bucket = self.put(aws)
        role = aws.role()
        self.attach(aws, role, self.READ)
        for data in (f"s3://{bucket}/model.tar.gz", "s3://no-such-bucket-anywhere/model.tar.gz", self.prefix(bucket)):
            with pytest.raises(ClientError, match="Could not access model data"):
                self.create(aws, role, data)

    def test_must_be_in_the_region(self, sandbox: RunningSandbox, aws: Aws) -> None:
        bucket = self.put(Aws(sandbox, "eu-west-1"), "model.tar.gz")
        role = aws.role()
        self.attach(aws, role, self.READ)
        with pytest.raises(ClientError, match="located in us-east-1"):
            self.create(aws, role, f"s3://{bucket}/model.tar.gz")
        self.create(Aws(sandbox, "eu-west-1"), role, f"s3://{bucket}/model.tar.gz")

    def test_under_a_prefix_needs_the_right_to_list(self, aws: Aws) -> None:
        bucket = self.put(aws, "model/config.json", "model/code/inference.py", "modelx")
        get = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/model/*"}
        listing = {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
            "Condition": {"StringLike": {"s3:prefix": ["model/*"]}},
        }
        with pytest.raises(ClientError, match="s3:ListBucket"):
            self.create(aws, aws.role(get), self.prefix(bucket))
        with pytest.raises(ClientError, match="Could not access model data"):
            self.create(aws, aws.role(listing), self.prefix(bucket))
        self.create(aws, aws.role(get, listing), self.prefix(bucket))

    def test_prefix_ends_with_a_slash(self, aws: Aws) -> None:
        bucket = self.put(aws, "model/config.json")
        role = aws.role()
        self.attach(aws, role, self.READ)
        with pytest.raises(ClientError, match="must end with a forward slash"):
            self.create(aws, role, self.prefix(bucket, "model"))

    def test_what_amazon_sage_maker_full_access_reaches(self, aws: Aws) -> None:
        """Objects with “sagemaker” in bucket or key, or tagged SageMaker=true; no others, to the surprise of many."""
        bucket = self.put(aws, "m/model.tar.gz", "sagemaker/model.tar.gz", "tagged/model.tar.gz")
        aws.s3.put_object_tagging(
            Bucket=bucket, Key="tagged/model.tar.gz", Tagging={"TagSet": [{"Key": "SageMaker", "Value": "true"}]}
        )
        role = aws.role()
        self.attach(aws, role, self.FULL)
        self.create(aws, role, f"s3://{bucket}/sagemaker/model.tar.gz")
        self.create(aws, role, f"s3://{bucket}/tagged/model.tar.gz")
        with pytest.raises(ClientError, match="Could not access model data"):
            self.create(aws, role, f"s3://{bucket}/m/model.tar.gz")

    def test_a_denial_outweighs_everything(self, aws: Aws) -> None:
        bucket = self.put(aws, "model.tar.gz")
        role = aws.role({"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"})
        self.attach(aws, role, self.READ)
        with pytest.raises(ClientError, match="Could not access model data"):
            self.create(aws, role, f"s3://{bucket}/model.tar.gz")

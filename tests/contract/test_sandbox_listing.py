from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.sandbox_account import ARN, IMAGE, Aws, refused


class TestListing:
    def test_filters_sorts_and_pages_models(self, aws: Aws) -> None:
        word = uuid4().hex[:8]
        role = aws.role()
        for number in range(12):
            aws.sagemaker.create_model(
                ModelName=f"{word}-{number:02}", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=role
            )

        def names(**request: Any) -> list[str]:
            pages = aws.sagemaker.get_paginator("list_models").paginate(NameContains=word, **request)
            return [model["ModelName"][-2:] for page in pages for model in page["Models"]]

        upwards = [f"{number:02}" for number in range(12)]
        assert len(aws.sagemaker.list_models(NameContains=word)["Models"]) == 10
        assert names() == upwards[::-1], "the newest come first"
        assert names(SortOrder="Ascending", PaginationConfig={"PageSize": 5}) == upwards
        assert names(SortBy="Name", SortOrder="Ascending") == upwards
        assert names(SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 1}) == upwards[::-1]
        created = aws.sagemaker.describe_model(ModelName=f"{word}-05")["CreationTime"]
        after = names(CreationTimeAfter=created + timedelta(milliseconds=1), SortOrder="Ascending")
        before = names(CreationTimeBefore=created, SortOrder="Ascending")
        assert set(after) <= set(upwards[6:])
        assert set(before) <= set(upwards[:6])
        assert names(CreationTimeAfter=datetime.now(UTC) + timedelta(hours=1)) == []
        assert names(CreationTimeAfter=datetime.now(UTC) - timedelta(hours=1), SortOrder="Ascending") == upwards

    def test_a_page_goes_on_where_the_last_ended_when_things_go_meanwhile(self, aws: Aws) -> None:
        word = uuid4().hex[:8]
        for number in range(4):
            aws.config(aws.variant(aws.model()))
            aws.sagemaker.create_endpoint_config(
                EndpointConfigName=f"{word}-{number}", ProductionVariants=[aws.variant(aws.model())]
            )
        request = {"NameContains": word, "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
        first = aws.sagemaker.list_endpoint_configs(**request)
        aws.sagemaker.delete_endpoint_config(EndpointConfigName=f"{word}-1")
        second = aws.sagemaker.list_endpoint_configs(**request, NextToken=first["NextToken"])
        assert [config["EndpointConfigName"][-1] for config in second["EndpointConfigs"]] == ["2", "3"]
        assert "NextToken" not in second

    def test_filters_endpoints_by_status_and_change(self, aws: Aws, failed_endpoint: str) -> None:
        def found(**request: Any) -> list[str]:
            answer = aws.sagemaker.list_endpoints(NameContains=failed_endpoint, **request)
            return [endpoint["EndpointStatus"] for endpoint in answer["Endpoints"]]

        assert found(StatusEquals="Failed", SortBy="Status") == ["Failed"]
        assert found(StatusEquals="InService") == []
        assert found(LastModifiedTimeBefore=datetime.now(UTC) - timedelta(hours=1)) == []
        assert found(LastModifiedTimeAfter=datetime.now(UTC) - timedelta(hours=1)) == ["Failed"]

    def test_refuses_a_token_of_others(self, aws: Aws) -> None:
        assert refused(aws.sagemaker.list_models, NextToken="bogus")[0] == "ValidationException"

    def test_refuses_the_token_of_a_list_in_another_order(self, aws: Aws) -> None:
        for _ in range(2):
            aws.model()
        for order, other in (("Name", "CreationTime"), ("CreationTime", "Name")):
            token = aws.sagemaker.list_models(SortBy=order, MaxResults=1)["NextToken"]
            assert refused(aws.sagemaker.list_models, SortBy=other, NextToken=token)[0] == "ValidationException"


class TestTags:
    def test_come_with_a_thing_and_change(self, aws: Aws) -> None:
        name = aws.model(Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü 2"}])
        arn = f"{ARN}:model/{name}"

        def tags() -> dict[str, str]:
            pages = aws.sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

        assert tags() == {"a": "1", "b": "ü 2"}
        aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
        assert tags() == {"a": "1", "b": "3", "c": ""}
        aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a", "absent"])
        assert tags() == {"b": "3", "c": ""}

    @pytest.mark.parametrize(
        "tags",
        [
            [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}],
            [{"Key": "aws:mine", "Value": "1"}],
            [{"Key": "a", "Value": "semi;colon"}],
            [{"Key": "", "Value": "x"}],
        ],
    )
    def test_keep_the_rules(self, aws: Aws, tags: list[Mapping[str, str]]) -> None:
        arn = f"{ARN}:model/{aws.model()}"
        assert refused(aws.sagemaker.add_tags, ResourceArn=arn, Tags=tags)[0] == "ValidationException"
        assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []

    def test_are_at_most_fifty(self, aws: Aws) -> None:
        arn = f"{ARN}:model/{aws.model(Tags=[{'Key': str(n), 'Value': ''} for n in range(50)])}"
        code, _ = refused(aws.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "x", "Value": ""}])
        assert code == "ResourceLimitExceeded"

    def test_of_what_does_not_exist(self, aws: Aws) -> None:
        assert refused(aws.sagemaker.list_tags, ResourceArn=f"{ARN}:model/no-such")[0] == "ValidationException"

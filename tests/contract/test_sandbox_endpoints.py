import pytest

from core.sandbox.administration import set_quota
from tests.contract.sandbox_account import ARN, Aws, refused


class TestEndpointConfigs:
    def test_are_made_described_and_deleted(self, aws: Aws) -> None:
        model = aws.model()
        variant = aws.variant(
            model, InferenceAmiVersion="al2-ami-sagemaker-inference-gpu-3-1", ModelDataDownloadTimeoutInSeconds=600
        )
        name = aws.config(variant)
        found = aws.sagemaker.describe_endpoint_config(EndpointConfigName=name)
        assert found["ProductionVariants"] == [{**variant, "InitialVariantWeight": 1.0}]
        assert found["EndpointConfigArn"] == f"{ARN}:endpoint-config/{name}"
        code_and_message = refused(
            aws.sagemaker.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[variant]
        )
        assert code_and_message == (
            "ValidationException",
            f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/{name}".',
        )
        aws.sagemaker.delete_endpoint_config(EndpointConfigName=name)
        assert refused(aws.sagemaker.describe_endpoint_config, EndpointConfigName=name) == (
            "ValidationException",
            f'Could not find endpoint configuration "{ARN}:endpoint-config/{name}".',
        )

    def test_need_models_that_exist(self, aws: Aws) -> None:
        found = refused(
            aws.sagemaker.create_endpoint_config,
            EndpointConfigName=aws.name(),
            ProductionVariants=[aws.variant("no-such-model")],
        )
        assert found == ("ValidationException", f'Could not find model "{ARN}:model/no-such-model".')

    def test_have_variants_of_different_names_with_instances(self, aws: Aws) -> None:
        model = aws.model()
        for variants in (
            [aws.variant(model), aws.variant(model)],
            [aws.variant(model, InitialInstanceCount=0)],
            [{"VariantName": "v", "ModelName": model}],
        ):
            code, _ = refused(
                aws.sagemaker.create_endpoint_config, EndpointConfigName=aws.name(), ProductionVariants=variants
            )
            assert code == "ValidationException"

    def test_tell_the_volume_that_was_asked_for(self, aws: Aws) -> None:
        name = aws.config(aws.variant(aws.model(), VolumeSizeInGB=512))
        (variant,) = aws.sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        assert variant["VolumeSizeInGB"] == 512

    @pytest.mark.parametrize("instance_type", ["ml.g5.2xlarge", "ml.g4dn.xlarge", "ml.m5d.large", "ml.trn1.2xlarge"])
    def test_have_no_volume_beside_a_disk_of_the_types_own(self, aws: Aws, instance_type: str) -> None:
        variant = aws.variant(aws.model(), InstanceType=instance_type, VolumeSizeInGB=100)
        name = aws.name("config")
        found = refused(aws.sagemaker.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[variant])
        told = f"VolumeSize parameter is not allowed for the selected Instance type {instance_type}"
        assert found == ("ValidationException", told)
        del variant["VolumeSizeInGB"]
        aws.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    @pytest.mark.parametrize(
        ("volume", "told"), [(0, "greater than or equal to 1"), (513, "less than or equal to 512")]
    )
    def test_have_volumes_of_a_size_that_there_is(self, aws: Aws, volume: int, told: str) -> None:
        variant = aws.variant(aws.model(), VolumeSizeInGB=volume)
        code, message = refused(
            aws.sagemaker.create_endpoint_config, EndpointConfigName=aws.name(), ProductionVariants=[variant]
        )
        assert code == "ValidationException"
        assert told in message

    def test_of_what_the_sandbox_cannot_do_are_refused_in_words(self, aws: Aws) -> None:
        variant = {
            "VariantName": "v",
            "ModelName": aws.model(),
            "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1},
        }
        found = refused(
            aws.sagemaker.create_endpoint_config, EndpointConfigName=aws.name(), ProductionVariants=[variant]
        )
        assert found == ("ValidationException", "The sandbox has no serverless endpoints.")


class TestEndpoints:
    def test_need_a_config_that_exists(self, aws: Aws) -> None:
        found = refused(aws.sagemaker.create_endpoint, EndpointName=aws.name(), EndpointConfigName="no-such")
        assert found == (
            "ValidationException",
            f'Could not find endpoint configuration "{ARN}:endpoint-config/no-such".',
        )

    def test_that_do_not_exist(self, aws: Aws) -> None:
        expected = ("ValidationException", f'Could not find endpoint "{ARN}:endpoint/no-such".')
        assert refused(aws.sagemaker.describe_endpoint, EndpointName="no-such") == expected
        assert refused(aws.sagemaker.delete_endpoint, EndpointName="no-such") == expected
        assert refused(aws.sagemaker.update_endpoint, EndpointName="no-such", EndpointConfigName="c") == expected

    def test_fail_for_a_reason_and_go(self, aws: Aws, failed_endpoint: str) -> None:
        found = aws.sagemaker.describe_endpoint(EndpointName=failed_endpoint)
        assert "no stand-in for the container image example.com/unknown:1" in found["FailureReason"]
        assert "ProductionVariants" not in found
        config = aws.config()
        code, message = refused(aws.sagemaker.update_endpoint, EndpointName=failed_endpoint, EndpointConfigName=config)
        assert (code, message) == (
            "ValidationException",
            f'Cannot update failed endpoint "{ARN}:endpoint/{failed_endpoint}".',
        )
        assert refused(
            aws.sagemaker.create_endpoint, EndpointName=failed_endpoint.upper(), EndpointConfigName=config
        ) == (
            "ValidationException",
            f'Cannot create already existing endpoint "{ARN}:endpoint/{failed_endpoint}".',
        )

    def test_waiters(self, aws: Aws) -> None:
        model = aws.name("model")
        aws.sagemaker.create_model(
            ModelName=model, PrimaryContainer={"Image": "example.com/unknown:1"}, ExecutionRoleArn=aws.role()
        )
        name = aws.name("endpoint")
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=aws.config(aws.variant(model)))
        from botocore.exceptions import WaiterError

        with pytest.raises(WaiterError, match="terminal failure state"):
            aws.sagemaker.get_waiter("endpoint_in_service").wait(
                EndpointName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
            )
        aws.remove(name)


class TestQuotas:
    def value(self, aws: Aws, instance_type: str) -> float:
        pages = aws.service_quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        (found,) = [
            quota["Value"]
            for page in pages
            for quota in page["Quotas"]
            if quota["QuotaName"] == f"{instance_type} for endpoint usage"
        ]
        return float(found)

    def test_used_up_in_the_words_of_aws(self, aws: Aws) -> None:
        model = aws.model()
        config = aws.config(aws.variant(model, InstanceType="ml.p4d.24xlarge", InitialInstanceCount=2))
        assert self.value(aws, "ml.p4d.24xlarge") == 0
        assert refused(aws.sagemaker.create_endpoint, EndpointName=aws.name(), EndpointConfigName=config) == (
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.p4d.24xlarge for endpoint usage' is 0 Instances, with current "
                "utilization of 0 Instances and a request delta of 2 Instances. Please use AWS Service Quotas to "
                "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to "
                "request an increase for this quota."
            ),
        )

    def test_raised_by_request_and_set_by_hand(self, aws: Aws) -> None:
        kind = "ml.p3.2xlarge"
        quota = next(
            quota
            for page in aws.service_quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
            for quota in page["Quotas"]
            if quota["QuotaName"] == f"{kind} for endpoint usage"
        )
        which = {"ServiceCode": "sagemaker", "QuotaCode": quota["QuotaCode"]}
        asked = aws.service_quotas.request_service_quota_increase(**which, DesiredValue=3)["RequestedQuota"]
        assert asked["Status"] == "APPROVED"
        assert aws.service_quotas.get_service_quota(**which)["Quota"]["Value"] == 3
        assert aws.service_quotas.get_aws_default_service_quota(**which)["Quota"]["Value"] == 0
        code, _ = refused(aws.service_quotas.request_service_quota_increase, **which, DesiredValue=2)
        assert code == "IllegalArgumentException"
        set_quota(aws.running, kind, 1)
        assert self.value(aws, kind) == 1
        assert self.value(Aws(aws.running, "eu-west-1"), kind) == 0

    def test_of_a_new_account(self, aws: Aws) -> None:
        pages = list(aws.service_quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
        assert len(pages) > 1
        assert all(len(page["Quotas"]) <= 100 for page in pages)
        values = {quota["QuotaName"].split()[0]: quota["Value"] for page in pages for quota in page["Quotas"]}
        assert len(values) == 277
        assert {value for name, value in values.items() if name.startswith("ml.g")} == {1, 2}
        untouched = {"ml.p3.2xlarge"}  # another test sets it
        assert not any(value for name, value in values.items() if name.startswith("ml.p") and name not in untouched)
        assert values["ml.m5.large"] > 0

    def test_of_another_service(self, aws: Aws) -> None:
        assert refused(aws.service_quotas.list_service_quotas, ServiceCode="ec2")[0] == "NoSuchResourceException"

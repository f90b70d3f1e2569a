"""Errors as the API answers them: AWS's codes and, where they are known, AWS's words.

Words are those people have quoted from real accounts; clients match on them.
"""


class ApiError(Exception):
    """An error that a client sees: its code, its message, the HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    """Return a ValidationException."""
    return ApiError("ValidationException", message)


def name_taken(what: str, arn: str) -> ApiError:
    """Return the error for a name in use; `what` is `model`, `endpoint configuration` or `endpoint`."""
    return invalid(f'Cannot create already existing {what} "{arn}".')


def not_found(what: str, arn: str) -> ApiError:
    """Return the error for a thing that does not exist; `what` as in `name_taken`."""
    return invalid(f'Could not find {what} "{arn}".')


def no_volume(instance_type: str) -> ApiError:
    """Return the refusal of a volume for a type that has a disk of its own."""
    # The words are known from two quotations alone (autogluon-cloud's pull request 50 is one): AWS's may go on.
    return invalid(f"VolumeSize parameter is not allowed for the selected Instance type {instance_type}")


def in_progress(arn: str) -> ApiError:
    """Return the refusal to touch an endpoint that is being created, updated or deleted."""
    return invalid(f'Cannot update in-progress endpoint "{arn}".')


def role_not_assumable(role_arn: str) -> ApiError:
    """Return the error for a role that does not exist or does not let SageMaker assume it."""
    return invalid(
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )


def data_not_accessible(uri: str, role_arn: str, region: str) -> ApiError:
    """Return the one error for model data that is absent, elsewhere, or closed to the role."""
    return invalid(
        f'Could not access model data at {uri}. Please ensure that the role "{role_arn}" exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". '
        f'Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. '
        "If your Model uses multiple models or uncompressed models, please ensure that the role has "
        '"s3:ListBucket" permission.'
    )


def quota_used_up(instance_type: str, *, limit: int, used: int, wanted: int) -> ApiError:
    """Return the error for more instances of a type than the account may run for endpoints."""
    return ApiError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{instance_type} for endpoint usage' is {limit} Instances, with current "
        f"utilization of {used} Instances and a request delta of {wanted} Instances. Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request "
        "an increase for this quota.",
    )


def not_in_sandbox(what: str) -> ApiError:
    """Return the error for something that AWS has and the sandbox has not; `what` begins the sentence."""
    return invalid(f"The sandbox has no {what}.")

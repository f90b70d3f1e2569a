"""Execution roles: found, checked, created for one deployment, and deleted with it.

A role that sagewizard makes is described and tagged so; the description tells it in lists (IAM lists no tags), the tag
decides before it is deleted.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import unquote

from core.aws import buckets
from core.aws.clients import Clients
from core.aws.failures import error_code, explained
from core.aws.policies import trust_policy, trusts_sagemaker
from core.aws.tags import DEPLOYMENT, as_aws_tags, from_aws_tags, is_ours
from core.errors import AccessError, NotFoundError, RefusedError, SagewizardError, UsageError
from core.external_text import clean_line

_DESCRIPTION: Final = "Lets one SageMaker endpoint read its model. Made by sagewizard."
POLICY_NAME: Final = "artifact"
"""The inline policy of a role of ours."""

Readable = Literal["yes", "unknown"]
"""Whether a role can read an artifact; that it cannot is refused."""

_ARN = re.compile(r"arn:aws[\w-]*:iam::(?P<account>\d{12}|aws):(?P<kind>[\w-]+)/(?P<name>.+)", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_SUGGESTED: Final = 5


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the account. `ours` are made for one endpoint; it goes by what IAM's lists tell, not by the tag."""

    name: str
    arn: str
    created: datetime
    ours: bool


def list_roles(clients: Clients) -> tuple[Role, ...]:
    """Return the roles that SageMaker may take on, the newest first.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    with explained("list the account's roles"):
        found = [
            _role(item)
            for page in _role_pages(clients)
            for item in page["Roles"]
            if trusts_sagemaker(_document(item.get("AssumeRolePolicyDocument")))
        ]
    return tuple(sorted(found, key=lambda role: role.created, reverse=True))


def find_role(clients: Clients, name_or_arn: str) -> Role:
    """Return the role of that name or ARN. Whether it can be used `check_role` says.

    Raises:
        UsageError: it is the name or ARN of a policy, or of something else that is no role.
        NotFoundError: the account has no such role.
        RefusedError: the ARN is of another account.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    text = name_or_arn.strip()
    name = _name_in(clients, text)
    item = _look_up(clients, name)
    if item is None:
        if text == name and _is_policy(clients, name):
            raise _policy_given(clients, name)
        raise NotFoundError(f"The account has no role “{clean_line(text)}”.", fix=_usable_roles(clients))
    if text != name and item["Arn"] != text:
        raise NotFoundError(
            f"The account has no role {clean_line(text)}.", fix=f"Did you mean {clean_line(item['Arn'])}?"
        )
    return _role(item)


def check_role(clients: Clients, role: Role, bucket: str, key: str) -> Readable:
    """Make sure that SageMaker may take on the role and, as far as IAM says, that the role can read the artifact.

    IAM's simulator judges the role's own policies. Where it may not be asked, or cannot decide, nothing is refused; nor
    where nothing but a policy of the bucket can allow it, which the simulator does not see.

    Raises:
        RefusedError: the role does not trust SageMaker, or may not read the artifact.
        NotFoundError: the role is gone.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    check_trust(clients, role)
    decision = _simulate(clients, role, bucket, key)
    if decision == "no" and buckets.may_allow(clients, bucket, role.arn.split(":")[4]):
        return "unknown"
    if decision in {"no", "denied"}:
        why = "it lacks s3:GetObject there" if decision == "no" else "one of its policies forbids s3:GetObject there"
        raise RefusedError(
            f"The role {role.name} may not read s3://{bucket}/{key}: {why}.",
            fix="Choose another role, or let sagewizard create one.",
        )
    return "yes" if decision == "yes" else "unknown"


def check_trust(clients: Clients, role: Role) -> None:
    """Return when SageMaker may take on the role.

    Raises:
        RefusedError: the role does not trust SageMaker.
        NotFoundError: the role is gone.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    item = _look_up(clients, role.name)
    if item is None:
        raise NotFoundError(f"The account has no role “{role.name}”.", fix=_usable_roles(clients))
    if not trusts_sagemaker(_document(item.get("AssumeRolePolicyDocument"))):
        raise RefusedError(
            f"SageMaker may not take on the role {role.name}: its trust policy does not name sagemaker.amazonaws.com.",
            fix=_usable_roles(clients),
        )


def create_role(
    clients: Clients,
    name: str,
    *,
    policy: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Role:
    """Create a role that SageMaker may take on, with `policy` as all that it is allowed.

    IAM needs some seconds to make a role known: `hosting.create_model` waits.

    Raises:
        RefusedError: there is a role of that name.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    iam = clients.get("iam")
    item: Mapping[str, Any] | None
    with explained(f"create the role {name}"):
        try:
            item = iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(trust_policy()),
                Description=_DESCRIPTION,
                Tags=as_aws_tags(tags),
            )["Role"]
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
            # An attempt whose answer was lost, or a run that was killed, may have made it.
            item = _role_if_told(clients, name)
            if item is None or from_aws_tags(item.get("Tags", ())).get(DEPLOYMENT) != tags.get(DEPLOYMENT):
                raise RefusedError(
                    f"There is a role named {name} already.", fix=f"Use it (--role {name}), or choose another name."
                ) from error
    with explained(f"allow the role {name} to read the model"):
        iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(policy))
    return _role(item)


def _role_if_told(clients: Clients, name: str) -> Mapping[str, Any] | None:
    """Return a role, `None` when there is none or it may not be looked at."""
    try:
        return _get_role(clients, name)
    except AccessError:
        return None


def role_exists(clients: Clients, name: str) -> bool:
    """Return whether the account has a role of that name; errors as `find_role` raises them."""
    return _get_role(clients, name) is not None


def role_tags(clients: Clients, name: str) -> Mapping[str, str] | None:
    """Return the tags of a role; `None` when it does not exist.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    item = _get_role(clients, name)
    return None if item is None else from_aws_tags(item.get("Tags", ()))


def delete_role(clients: Clients, name: str) -> bool:
    """Delete a role that sagewizard made, with its policies.

    Returns:
        Whether there was one.

    Raises:
        RefusedError: the role is not tagged as ours.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    from botocore.exceptions import ClientError

    item = _get_role(clients, name)
    if item is None:
        return False
    if not is_ours(from_aws_tags(item.get("Tags", ()))):
        raise RefusedError(
            f"The role {name} was not made by sagewizard and is left as it is.", fix="Delete it in the IAM console."
        )
    iam = clients.get("iam")
    with explained(f"delete the role {name}"):
        try:
            for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
                for policy in page["PolicyNames"]:
                    iam.delete_role_policy(RoleName=name, PolicyName=policy)
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
                for attached in page["AttachedPolicies"]:  # by hand, since: the role cannot go with them
                    iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
            iam.delete_role(RoleName=name)
        except ClientError as error:
            if error_code(error) != "NoSuchEntity":  # somebody else was quicker
                raise
    return True


def _get_role(clients: Clients, name: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    with explained(f"look up the role {name}"):
        try:
            found: Mapping[str, Any] = clients.get("iam").get_role(RoleName=name)["Role"]
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return None
            raise
    return found


def _look_up(clients: Clients, name: str) -> Mapping[str, Any] | None:
    """Return a role without its tags, also where only listing roles is allowed (AmazonSageMakerFullAccess)."""
    try:
        return _get_role(clients, name)
    except AccessError as denied:
        try:
            with explained("list the account's roles"):
                listed = (item for page in _role_pages(clients) for item in page["Roles"])
                return next((item for item in listed if item["RoleName"] == name), None)
        except SagewizardError:
            raise denied from None


def _role_pages(clients: Clients) -> Iterable[Mapping[str, Any]]:
    pages: Iterable[Mapping[str, Any]] = clients.get("iam").get_paginator("list_roles").paginate()
    return pages


def _name_in(clients: Clients, text: str) -> str:
    """Return the role's name in what a person wrote."""
    if not text.startswith("arn:"):
        if not _NAME.fullmatch(text):
            raise UsageError(
                f"“{clean_line(text)}” is not the name of a role.",
                fix="Give a role's name, or its ARN (arn:aws:iam::…).",
            )
        return text
    parts = _ARN.fullmatch(text)
    if parts is not None and parts["kind"] == "policy":
        raise _policy_given(clients, parts["name"].rsplit("/", 1)[-1])
    if parts is None or parts["kind"] != "role":
        raise UsageError(
            f"“{clean_line(text)}” is not the ARN of a role.", fix="It looks like arn:aws:iam::123456789012:role/NAME."
        )
    with explained("find out whose AWS credentials these are"):
        account = clients.get("sts").get_caller_identity()["Account"]
    if parts["account"] != account:
        raise RefusedError(
            f"The role {text} belongs to the account {parts['account']}, but the endpoint would be in {account}.",
            fix=_usable_roles(clients),
        )
    return parts["name"].rsplit("/", 1)[-1]


def _is_policy(clients: Clients, name: str) -> bool:
    from botocore.exceptions import ClientError

    for path in ("", "service-role/"):
        try:
            with explained("look up a policy"):
                try:
                    clients.get("iam").get_policy(PolicyArn=f"arn:{clients.partition}:iam::aws:policy/{path}{name}")
                except ClientError as error:
                    if error_code(error) == "NoSuchEntity":
                        continue
                    raise
        except SagewizardError:  # it only makes the message better
            return False
        return True
    return False


def _policy_given(clients: Clients, name: str) -> UsageError:
    return UsageError(f"“{clean_line(name)}” is a policy, not a role.", fix=_usable_roles(clients))


def _usable_roles(clients: Clients) -> str:
    """Return the sentence that names the roles a person can use instead."""
    try:
        names = [role.name for role in list_roles(clients) if not role.ours]  # those read one artifact each
    except SagewizardError:
        return "Give the name or ARN of a role that SageMaker may take on, or let sagewizard create one."
    if not names:
        return "The account has no role that SageMaker may take on: let sagewizard create one."
    more = f" and {len(names) - _SUGGESTED} more" if len(names) > _SUGGESTED else ""
    return f"Roles that SageMaker may take on: {', '.join(names[:_SUGGESTED])}{more}. Or let sagewizard create one."


def _simulate(clients: Clients, role: Role, bucket: str, key: str) -> Literal["yes", "no", "denied", "unknown"]:
    """Return what the role's own policies say: `no` where none allows it, `denied` where one forbids it."""
    try:
        with explained("ask IAM whether the role can read the model"):
            answer = clients.get("iam").simulate_principal_policy(
                PolicySourceArn=role.arn,
                ActionNames=["s3:GetObject"],
                ResourceArns=[f"arn:{clients.partition}:s3:::{bucket}/{key}"],
            )
    except SagewizardError:  # not everybody may ask; CreateModel says for sure
        return "unknown"
    results = answer.get("EvaluationResults", [])
    # What a decision lacks stands with the resource it is about.
    of_resources = [one for result in results for one in result.get("ResourceSpecificResults", ())]
    if not results or any(one.get("MissingContextValues") for one in (*results, *of_resources)):
        return "unknown"
    decisions = {result["EvalDecision"] for result in results}
    if "explicitDeny" in decisions:
        return "denied"
    return "yes" if decisions == {"allowed"} else "no"


def _role(item: Mapping[str, Any]) -> Role:
    name = clean_line(item["RoleName"])
    return Role(name, clean_line(item["Arn"]), item["CreateDate"], ours=item.get("Description") == _DESCRIPTION)


def _document(value: object) -> Mapping[str, Any]:
    """Return a policy document, which IAM sends URL-encoded and botocore mostly decodes."""
    if isinstance(value, Mapping):
        return value
    try:
        found = json.loads(unquote(str(value or "{}")))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

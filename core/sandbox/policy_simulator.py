"""IAM's SimulatePrincipalPolicy for roles, which moto does not play: whether a role's own policies allow an action.

Asked before anything is made, so that a role that cannot read the model is refused in a rehearsal as it is on AWS. The
request and the answer are those of the AWS Query protocol (API reference of IAM, “SimulatePrincipalPolicy”).
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from core.sandbox.answers import Answer, error_for
from core.sandbox.hosting.iam import RolePolicies

_ACTION: Final = "SimulatePrincipalPolicy"
_LARGEST_REQUEST: Final = 1 << 20
_MEMBER: Final = re.compile(r"(\w+)\.member\.(\d+)")
_XMLNS: Final = "https://iam.amazonaws.com/doc/2010-05-08/"


class PolicySimulator:
    """A WSGI application before IAM's: answers simulations, and hands on everything else."""

    def __init__(
        self, iam: Callable[[dict[str, Any], Any], Iterable[bytes]], role: Callable[[str], RolePolicies | None]
    ) -> None:
        self._iam = iam
        self._role = role

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > _LARGEST_REQUEST:
            return self._iam(environ, start_response)
        body = environ["wsgi.input"].read(length)
        asked = parse_qs(body.decode("utf-8", "replace"))
        if asked.get("Action") != [_ACTION]:
            environ["wsgi.input"] = io.BytesIO(body)
            return self._iam(environ, start_response)
        return self._simulate(environ, asked).send(start_response)

    def _simulate(self, environ: Mapping[str, Any], asked: Mapping[str, list[str]]) -> Answer:
        arn = asked.get("PolicySourceArn", [""])[0]
        role = self._role(arn) if arn.startswith("arn:") else None
        if role is None:
            message = f"The role with name {arn.rpartition('/')[2]} cannot be found."
            return error_for(environ, "iam", "NoSuchEntity", message, status=404)
        actions, resources = _members(asked, "ActionNames"), _members(asked, "ResourceArns") or ["*"]
        if not actions:
            message = "1 validation error detected: Value at 'actionNames' failed to satisfy constraint: Member must "
            return error_for(environ, "iam", "ValidationError", f"{message}not be null")
        results = "".join(_result(role, action, resource) for action in actions for resource in resources)
        text = (
            f'<SimulatePrincipalPolicyResponse xmlns="{_XMLNS}"><SimulatePrincipalPolicyResult>'
            f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
            f"</SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
            "</SimulatePrincipalPolicyResponse>"
        )
        return Answer(200, text.encode(), {"Content-Type": "text/xml"})


def _result(role: RolePolicies, action: str, resource: str) -> str:
    """Return one result; what is missing to decide for sure stands with the resource, where one was named."""
    decision = role.decision(action, resource)
    keys = "".join(f"<member>{escape(key)}</member>" for key in role.condition_keys(action))
    missing, specific = f"<MissingContextValues>{keys}</MissingContextValues>", ""
    if resource != "*":
        specific = (
            f"<ResourceSpecificResults><member><EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalResourceDecision>{decision}</EvalResourceDecision>{missing}</member></ResourceSpecificResults>"
        )
        missing = "<MissingContextValues/>"
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalDecision>{decision}</EvalDecision>"
        f"<MatchedStatements/>{missing}{specific}</member>"
    )


def _members(asked: Mapping[str, list[str]], name: str) -> list[str]:
    numbered = {
        int(found[2]): values[0]
        for key, values in asked.items()
        if (found := _MEMBER.fullmatch(key)) and found[1] == name
    }
    return [numbered[number] for number in sorted(numbered)]

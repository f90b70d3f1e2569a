"""Whether a role's policies allow an action: a small evaluator of IAM's policy language.

Follows "Policy evaluation logic" and "IAM JSON policy elements" of the IAM User Guide, for one principal in its own
account: an explicit Deny wins, then an Allow is needed, within the permissions boundary if there is one. Evaluated are
Action, NotAction, Resource, NotResource and Condition with the string, ARN, Bool and Null operators, `…IfExists`,
`ForAnyValue:` and `ForAllValues:`. A condition that is not understood (dates, numbers, addresses) counts as not met by
an Allow and as met by a Deny: never more is allowed than AWS would.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

Document = Mapping[str, Any]
Context = Mapping[str, str]
Decision = Literal["allowed", "explicitDeny", "implicitDeny"]
"""In IAM's own words: a statement allows it, one denies it, or none says anything."""


@dataclass(frozen=True, slots=True)
class RolePolicies:
    """A role: who may assume it, what its policies say (inline and attached), and its permissions boundary."""

    arn: str
    trust: Document
    policies: tuple[Document, ...]
    boundary: Document | None = None

    def allows(self, action: str, resource: str, context: Context | None = None) -> bool:
        """Whether the role may do `action` (`s3:GetObject`) to the ARN `resource`. `context` has condition keys."""
        return self.decision(action, resource, context) == "allowed"

    def decision(self, action: str, resource: str, context: Context | None = None) -> Decision:
        """Return what the role's policies, and its boundary, say of doing `action` to the ARN `resource`."""
        said = {_decide(self.policies, action, resource, context or {})}
        if self.boundary is not None:
            said.add(_decide((self.boundary,), action, resource, context or {}))
        if "explicitDeny" in said:
            return "explicitDeny"
        return "implicitDeny" if "implicitDeny" in said else "allowed"

    def condition_keys(self, action: str) -> tuple[str, ...]:
        """Return the condition keys that statements about `action` depend on, in order of the alphabet."""
        documents = self.policies if self.boundary is None else (*self.policies, self.boundary)
        keys = {
            str(key)
            for document in documents
            for statement in _statements(document)
            if _covers(statement, "Action", action, {}, ignore_case=True)
            for tests in dict(statement.get("Condition") or {}).values()
            for key in dict(tests)
        }
        return tuple(sorted(keys))

    def trusts(self, service: str, context: Context | None = None) -> bool:
        """Whether the service principal `service` may assume the role."""
        context = context or {}
        verdicts = {
            statement.get("Effect")
            for statement in _statements(self.trust)
            if _names_service(statement.get("Principal"), service)
            and _matches_any(_listed(statement.get("Action", ())), "sts:AssumeRole", context, ignore_case=True)
            and _conditions_hold(statement, context)
        }
        return "Allow" in verdicts and "Deny" not in verdicts


def _decide(documents: Iterable[Document], action: str, resource: str, context: Context) -> Decision:
    verdicts = {
        statement.get("Effect")
        for document in documents
        for statement in _statements(document)
        if _covers(statement, "Action", action, context, ignore_case=True)
        and _covers(statement, "Resource", resource, context, ignore_case=False)
        and _conditions_hold(statement, context)
    }
    if "Deny" in verdicts:
        return "explicitDeny"
    return "allowed" if "Allow" in verdicts else "implicitDeny"


def _statements(document: Document) -> list[Mapping[str, Any]]:
    return [statement for statement in _listed(document.get("Statement", ())) if isinstance(statement, Mapping)]


def _covers(statement: Mapping[str, Any], element: str, value: str, context: Context, *, ignore_case: bool) -> bool:
    if element in statement:
        return _matches_any(_listed(statement[element]), value, context, ignore_case=ignore_case)
    if f"Not{element}" in statement:
        return not _matches_any(_listed(statement[f"Not{element}"]), value, context, ignore_case=ignore_case)
    return False


def _names_service(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    return service in _listed(principal.get("Service", ())) or "*" in _listed(principal.get("AWS", ()))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _matches_any(patterns: Iterable[Any], value: str, context: Context, *, ignore_case: bool) -> bool:
    return any(
        like(filled, value, ignore_case=ignore_case)
        for pattern in patterns
        if (filled := _filled(str(pattern), context)) is not None
    )


def like(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether `value` fits `pattern`, in which `*` is any text and `?` any one character."""
    return _regex(pattern, ignore_case).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _regex(pattern: str, ignore_case: bool) -> "re.Pattern[str]":
    # Runs of stars are one star: otherwise a hostile policy could make matching take for ever.
    text = re.escape(re.sub(r"\*+", "*", pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _filled(pattern: str, context: Context) -> str | None:
    """Return a pattern with its policy variables (`${aws:PrincipalAccount}`) filled in; `None` if one has no value."""
    keys = {key.lower(): value for key, value in context.items()}
    missing = False

    def value_of(found: "re.Match[str]") -> str:
        nonlocal missing
        name = found[1].split(",")[0].strip()
        if name in {"*", "?", "$"}:
            return name
        missing = missing or name.lower() not in keys
        return keys.get(name.lower(), "")

    filled = re.sub(r"\$\{([^}]*)\}", value_of, pattern)
    return None if missing else filled


def _conditions_hold(statement: Mapping[str, Any], context: Context) -> bool:
    keys = {key.lower(): value for key, value in context.items()}
    denies = statement.get("Effect") == "Deny"
    for operator, tests in dict(statement.get("Condition") or {}).items():
        for key, wanted in dict(tests).items():
            held = _condition(operator, [str(item) for item in _listed(wanted)], keys.get(key.lower()), context)
            if held is None:
                held = denies
            if not held:
                return False
    return True


_COMPARE: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


def _condition(operator: str, wanted: Sequence[str], value: str | None, context: Context) -> bool | None:
    """Whether a condition on one key holds; `None` when the operator is not understood."""
    quantifier, _, operator = operator.rpartition(":")
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    if operator == "Null":
        return all((value is None) == (text.lower() == "true") for text in wanted)
    negated = "Not" in operator
    compare = _COMPARE.get(operator.replace("Not", ""))
    if compare is None:
        return None
    if value is None:
        return optional or negated or quantifier == "ForAllValues"
    filled = [text for item in wanted if (text := _filled(item, context)) is not None]
    return any(compare(text, value) for text in filled) != negated

"""What a person is told when the account may not run what a plan wants, and where more is asked for."""

from core.account import Account
from core.errors import RefusedError
from core.instances.quotas import Quota, quota_request_link


def quota_refusal(instance_type: str, count: int, quota: Quota | None, account: Account) -> RefusedError | None:
    """Return the refusal of `count` more instances of a type; `None` where the quota has them, or is not known."""
    if quota is None or quota.left >= count:
        return None
    link = quota_request_link(account.region, quota.code)
    more = f"ask for more of “{instance_type} for endpoint usage” at {link}"
    if account.sandbox:
        more += f" (in the sandbox: {account.command(f'sandbox quota {instance_type} {quota.used + count}')})"
    return RefusedError(
        f"The account may run {quota.limit} of {instance_type} for endpoints, and {quota.used} are in use.",
        fix=f"Delete an endpoint, choose another type, or {more}.",
    )

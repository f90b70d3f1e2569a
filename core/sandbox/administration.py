"""What can be asked of a running sandbox besides AWS's own APIs: whether it is the one expected, and other quotas."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from core.errors import SagewizardError, UnreachableError, UsageError
from core.external_text import clean_line
from core.instances.catalog import find_instance_type
from core.sandbox import DEFAULT_REGION
from core.sandbox.state_files import RunningSandbox

OWN_PATHS: Final = "/_sagewizard/"
"""Where the sandbox's own requests go; no S3 bucket can have this name."""

_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 30.0
"""For the question whether it lives: on a busy machine a late answer is an answer."""


def is_alive(running: RunningSandbox) -> bool:
    """Whether what answers at the address is the very run that `running` names.

    Raises:
        UnreachableError: something takes the question and does not answer it: it may be busy, and nothing is known.
    """
    try:
        return bool(_ask(running, "GET", "health", seconds=_PATIENCE_SECONDS).get("instance") == running.instance)
    except UnreachableError as error:
        if isinstance(error.__cause__, TimeoutError):
            raise
        return False
    except SagewizardError:
        return False


def set_quota(running: RunningSandbox, instance_type: str, count: int, region: str = DEFAULT_REGION) -> None:
    """Let the account run `count` instances of a type for endpoints in a region, more or fewer than before.

    Endpoints that run already stay, also beyond the new quota.

    Raises:
        UsageError: there is no such type, or `count` is below 0.
        UnreachableError: the sandbox does not answer.
    """
    find_instance_type(instance_type)
    if count < 0:
        raise UsageError(f"{count} is no quota: it is a number of instances.", fix="Give 0 or more.")
    _ask(running, "PUT", "quota", {"instance_type": instance_type, "count": count, "region": region})


def _ask(
    running: RunningSandbox,
    method: str,
    path: str,
    payload: Mapping[str, Any] | None = None,
    *,
    seconds: float = _SECONDS,
) -> Mapping[str, Any]:
    # Not through any proxy: http.client knows none.
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=seconds)
    headers = {"Authorization": f"Bearer {running.secret_access_key}", "Content-Type": "application/json"}
    try:
        connection.request(method, OWN_PATHS + path, body=json.dumps(payload) if payload else None, headers=headers)
        answer = connection.getresponse()
        said = json.loads(answer.read(1 << 16))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(
            f"The sandbox at {running.url} does not answer ({clean_line(str(error))}).",
            fix="Try again in a moment, or end it with `sagewizard sandbox stop`: its account is kept.",
        ) from error
    finally:
        connection.close()
    if answer.status != 200 or not isinstance(said, dict):
        raise SagewizardError(f"The sandbox refused: {clean_line(str(said))}.")
    return said

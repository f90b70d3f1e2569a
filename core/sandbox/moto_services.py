"""The services that moto plays: S3, IAM, STS, CloudWatch, Logs, Scheduler.

This module, `moto_account` and `keeping` are the only ones that know moto's insides.
moto (5.x) is embedded: each service is a WSGI application of its own, so that no path or host name can lead to another
service or to moto's own control pages. Its managed policies are loaded; browser pages get no access to it.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from core.sandbox.answers import answer_after
from core.sandbox.keeping.buckets import S3
from core.sandbox.keeping.identities import Identities
from core.sandbox.keeping.objects import Objects
from core.sandbox.keeping.records import Records

ACCOUNT_ID: Final = "123456789012"
"""The account number of the sandbox: the one that AWS's documentation uses."""

USER: Final = "sandbox"
"""The IAM user whose keys the sandbox gives out; there is nobody else in a new account."""

SERVICES: Final[Mapping[str, str]] = {
    "s3": "s3",
    "iam": "iam",
    "sts": "sts",
    "monitoring": "cloudwatch",
    "logs": "logs",
    "scheduler": "scheduler",
}
"""moto's name of each service, by the name that requests are signed for."""


class MotoServices:
    """moto's applications, made when one is first asked for, for an account whose first user has the given access key.

    All are made before any of them answers: they import each other's modules, some not before a request, and Python
    ends one of two threads that come upon a circle of imports from different sides (`_DeadlockError`).

    What `records` and the files in `objects` hold of IAM and S3 is put back when the service is made, and what changes
    is kept there.
    """

    def __init__(self, *, access_key_id: str, secret_access_key: str, records: Records, objects: Path) -> None:
        # Read by moto when it is imported.
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
        os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
        os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT_ID
        self._apps: dict[str, Any] = {}
        self._keys = access_key_id, secret_access_key
        self._records = records
        self._objects = objects
        self._identities = Identities(records, ACCOUNT_ID)
        self._lock = threading.Lock()

    def handle(self, service: str, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Let moto answer a request to `service`, one of `SERVICES`."""
        app = self._app(SERVICES[service])
        if service == "iam":
            return answer_after(app, environ, start_response, lambda _: self._identities.keep())
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    def backend(self, service: str, partition: str) -> Any:
        """Return what moto holds of a service (its own name of it) in a partition."""
        self._app(service)
        from moto.backends import get_backend

        return get_backend(service)[ACCOUNT_ID][partition]

    def warm_up(self) -> None:
        """Spare the first request its longest part."""
        self._app("s3")

    def knows_key(self, access_key_id: str) -> bool:
        """Whether an IAM user of the account has this access key, or STS gave it to an assumed role."""
        self._app("iam")
        from moto.backends import get_backend

        for backend in list(get_backend("iam")[ACCOUNT_ID].values()):
            if backend.get_user_from_access_key_id(access_key_id):
                return True
        return any(
            backend.get_assumed_role_from_access_key(access_key_id)
            for backend in list(get_backend("sts")[ACCOUNT_ID].values())
        )

    def _app(self, name: str) -> Any:
        with self._lock:
            if not self._apps:
                self._apps = self._make_apps()
            return self._apps[name]

    def _make_apps(self) -> dict[str, Any]:
        from moto.moto_server.werkzeug_app import create_backend_app

        apps = {name: create_backend_app(name) for name in SERVICES.values() if name != "s3"}
        self._make_user()
        self._identities.restore()
        return {**apps, "s3": self._kept_s3()}

    def _kept_s3(self) -> S3:
        from moto.moto_server.werkzeug_app import create_backend_app

        objects = Objects(self._records, self._objects)
        s3 = S3(create_backend_app("s3"), self._records, objects)
        s3.restore()
        return s3

    def _make_user(self) -> None:
        """Give the account its user, so that GetCallerIdentity has somebody to name."""
        from moto.backends import get_backend

        for partition, region in (("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")):
            iam = get_backend("iam")[ACCOUNT_ID][partition]
            iam.create_user(region, USER)
            key = iam.create_access_key(USER)
            key.access_key_id, key.secret_access_key = self._keys

"""The one place that makes AWS clients.

A `Clients` is bound to a region and to credentials, and, for the sandbox, to an endpoint URL that then holds for every
service: nothing else in the program knows which account it talks to. boto3 is imported when the first client is made.
"""

import re
import threading
from dataclasses import dataclass
from typing import Any, Final

from core.aws.failures import explained
from core.errors import AccessError, UsageError

_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 60
_RUNTIME_READ_SECONDS: Final = 70
"""SageMaker ends an invocation after 60 s; AWS asks clients to wait 70 s for its answer."""
_REGION: Final = re.compile(r"[a-z]+(-[a-z]+)+-\d+")
"""Every region's name so far: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`. Which of them exist, AWS knows."""
_PRICING_REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
_SNIFFED_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Credentials given outright, for an account that is not AWS's."""

    access_key_id: str
    secret_access_key: str


class Clients:
    """Makes and keeps one boto3 client a service. Safe to use from several threads."""

    def __init__(
        self,
        *,
        region: str,
        profile: str | None = None,
        endpoint_url: str | None = None,
        credentials: StaticCredentials | None = None,
    ) -> None:
        self.region = region
        self.profile = profile
        self.endpoint_url = endpoint_url
        self._credentials = credentials
        self._lock = threading.Lock()
        self._session: Any = None
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """Return the client of a service, as boto3 names it: `s3`, `iam`, `sagemaker`, `sagemaker-runtime`, …

        Raises:
            AccessError: there are no credentials.
            NotFoundError: the named profile does not exist.
            UsageError: the region is malformed.
            SagewizardError: the AWS configuration of this machine cannot be read.
        """
        with self._lock:
            if service not in self._made:
                with explained("read the AWS configuration of this machine"):
                    self._made[service] = self._make(service)
            return self._made[service]

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        if not _REGION.fullmatch(self.region):
            raise UsageError(
                f"“{self.region}” is not the name of an AWS region.", fix="Give one such as us-east-1 with --region."
            )
        runtime = service == "sagemaker-runtime"
        # Invocations cost time and money and may not be safe to repeat: the caller decides on another try.
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_RUNTIME_READ_SECONDS if runtime else _READ_SECONDS,
            retries={"total_max_attempts": 1 if runtime else 5, "mode": "standard"},
            max_pool_connections=32,
            # Bodies carry a checksum of their own, which is signed; over HTTPS boto3 does not sign them besides.
            s3={"payload_signing_enabled": False, **({"addressing_style": "path"} if self.endpoint_url else {})},
            proxies={} if self.endpoint_url else None,  # a proxy would carry requests for this machine off it
            user_agent_appid="sagewizard",
        )
        region = self.region
        if service == "pricing" and region not in _PRICING_REGIONS:
            region = _PRICING_REGIONS[0]  # the Pricing API answers for all regions, but only in a few
        session = self._open_session()
        client = session.client(service, region_name=region, endpoint_url=self.endpoint_url, config=config)
        client.meta.events.register("before-parse", _check_that_aws_answers)
        return client

    def _open_session(self) -> Any:
        if self._session is None:
            import boto3

            if self._credentials:
                # A session of its own kind: no profile, so no config file can redirect or assume anything.
                self._session = boto3.Session(
                    aws_access_key_id=self._credentials.access_key_id,
                    aws_secret_access_key=self._credentials.secret_access_key,
                    region_name=self.region,
                )
            else:
                self._session = boto3.Session(profile_name=self.profile, region_name=self.region)
            if not self._credentials and self._session.get_credentials() is None:
                self._session = None
                raise AccessError(
                    "No AWS credentials were found.",
                    fix="Run `aws configure` or `aws sso login`, or try it without an account: `sagewizard --sandbox`.",
                )
        return self._session

    @property
    def partition(self) -> str:
        """The partition of the region: `aws`, `aws-cn` or `aws-us-gov`."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


def _check_that_aws_answers(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Refuse a page of something else, such as the sign-in page of a network, that calls itself a success.

    botocore reads such a page as an answer without members, also to a request that was to change something. What says
    what an answer is differs by protocol; its content type does not always.

    Raises:
        ResponseParserError: the answer is not of the operation's protocol.
    """
    from botocore.parsers import ResponseParserError

    raw = operation_model.has_streaming_output or operation_model.has_event_stream_output
    if raw or response_dict["status_code"] >= 300 or not response_dict["body"]:
        return
    begin = response_dict["body"].lstrip()[:_SNIFFED_BYTES]
    protocol = operation_model.service_model.resolved_protocol
    if protocol in {"json", "rest-json"}:
        well = begin.startswith(b"{")
    elif protocol == "query":
        well = f"<{operation_model.name}Response".encode() in begin
    else:
        well = b"<html" not in begin.lower()
    if not well:
        raise ResponseParserError(f"{operation_model.name} was answered with something else than {protocol}.")

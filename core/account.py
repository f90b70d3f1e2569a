"""The account the program works in: one on AWS, or the sandbox. The only place that knows there are two kinds.

Everything after `open_account` differs by the endpoint URL of its clients alone.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from core.aws.clients import Clients, StaticCredentials
from core.aws.failures import explained
from core.errors import UsageError
from core.folders import data_folder, own_folder
from core.own_commands import own_command


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the credentials belong to: the 12-digit account number and the caller's ARN."""

    account_id: str
    arn: str


class Account:
    """An open account: its clients, its region, and the folder of its ledgers on this machine."""

    def __init__(
        self,
        clients: Clients,
        *,
        label: str,
        ledgers: Path,
        sandbox: bool,
        asked_region: str | None = None,
        notice: str = "",
    ) -> None:
        self.clients = clients
        self.label = label
        """What a person calls it: `sandbox`, a profile's name, or `default`."""
        self.ledgers = ledgers
        self.sandbox = sandbox
        """For words on screen only; no step may act on it."""
        self.notice = notice
        """A sentence for the person about how the account was opened; mostly empty."""
        self._asked_region = asked_region  # `None` where the profile or the sandbox says it
        self._identity: Identity | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The AWS region, `us-east-1` …"""
        return self.clients.region

    def command(self, words: str) -> str:
        """Return the command line that does `words` in this account, in backquotes, for a sentence to a person."""
        profile, region = self.clients.profile, self._asked_region
        return f"`{own_command(*words.split(), sandbox=self.sandbox, profile=profile, region=region)}`"

    def identity(self) -> Identity:
        """Return whose credentials these are; asked of STS once.

        Raises:
            AccessError: there are no credentials, or they are expired or refused.
            UnreachableError: STS did not answer.
        """
        with self._lock:
            if self._identity is None:
                with explained("find out whose AWS credentials these are"):
                    found = self.clients.get("sts").get_caller_identity()
                self._identity = Identity(found["Account"], found["Arn"])
            return self._identity


def ledgers_folder(*, sandbox: bool) -> Path:
    """Return the folder of the ledgers on this machine, as an account's `ledgers`, without opening an account.

    One folder holds the ledgers of all AWS accounts. The sandbox has its own, and is not started for it.

    Raises:
        SagewizardError: the folder cannot be made.
    """
    if sandbox:
        from core.sandbox import state_files

        return state_files.ledgers_folder()
    return own_folder(data_folder() / "deployments")


def open_account(*, sandbox: bool, profile: str | None = None, region: str | None = None) -> Account:
    """Return the account to work in. The sandbox is started when it is not running; AWS is not asked anything yet.

    Raises:
        UsageError: no region is set for AWS.
        NotFoundError: the profile does not exist.
        SagewizardError: the sandbox could not be started (its extra is not installed, …).
    """
    if sandbox:
        from core.sandbox import DEFAULT_REGION
        from core.sandbox.daemon import ensure_running

        running = ensure_running()
        clients = Clients(
            region=region or DEFAULT_REGION,
            endpoint_url=running.url,
            credentials=StaticCredentials(running.access_key_id, running.secret_access_key),
        )
        return Account(
            clients,
            label="sandbox",
            ledgers=running.ledgers,
            sandbox=True,
            asked_region=None if clients.region == DEFAULT_REGION else region,
            notice=running.notice,
        )
    found_region = region or _profile_region(profile)
    if found_region is None:
        raise UsageError(
            "No AWS region is set.",
            fix="Give one with --region, AWS_REGION or `aws configure set region us-east-1`; without an AWS account, "
            "try `sagewizard --sandbox`.",
        )
    return Account(
        Clients(region=found_region, profile=profile),
        label=profile or "default",
        ledgers=ledgers_folder(sandbox=False),
        sandbox=False,
        asked_region=region,
    )


def _profile_region(profile: str | None) -> str | None:
    import boto3

    with explained("read the AWS configuration of this machine"):
        name: str | None = boto3.Session(profile_name=profile).region_name
    return name

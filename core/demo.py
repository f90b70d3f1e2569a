"""The demo: the sample model deployed, asked three questions, and taken away again, with nothing left behind."""

import secrets
from collections.abc import Callable
from typing import Final

from core.account import Account
from core.cancellation import CancelToken
from core.deployments.events import Emit
from core.deployments.ledger import Ledger
from core.deployments.planner import Choices, make_plan
from core.deployments.removal import remove_resources
from core.deployments.runner import deploy
from core.endpoints.conversation import Answer, Conversation
from core.errors import SagewizardError
from core.instances.offers import fetch_offers
from core.instances.survey import survey
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import SampleReference
from core.models.weight_set import select_weight_set
from core.serving.engines import DEPLOYABLE

QUESTIONS: Final = (
    "What is an endpoint?",
    "Which instance should I choose?",
    "How do I stop being charged?",
)


def run_demo(
    account: Account, hub: HubClient, *, emit: Emit, say: Callable[[str, Answer], None], cancel: CancelToken
) -> None:
    """Deploy the sample model, ask it `QUESTIONS`, pass each with its answer to `say`, and delete all that was made.

    Raises:
        SagewizardError: a step failed, or something could not be deleted.
        CancelledByUser: stopping was asked for; what was made is removed all the same.
    """
    facts = inspect_model(SampleReference(), hub, cancel)
    weights = select_weight_set(facts)
    table = survey(facts, weights, fetch_offers(account.clients, cancel=cancel), engines=DEPLOYABLE)
    # A name of its own: another demo may be at work in the same account.
    plan = make_plan(facts, weights, table, Choices(name=f"demo-{secrets.token_hex(3)}"), account)
    deployment = deploy(plan, account, hub, emit=emit, cancel=cancel)
    try:
        conversation = Conversation(account, deployment.endpoint, "messages")
        for question in QUESTIONS:
            say(question, conversation.ask(question, cancel=cancel, on_text=lambda _: None))
    finally:
        with Ledger.reopen(account.ledgers, deployment.id) as ledger:
            # A token of its own: who stops the demo still wants nothing left.
            left = remove_resources(ledger, account, emit=emit, cancel=CancelToken())
            if not left:
                ledger.finish("deleted")
    if left:
        raise SagewizardError(
            f"{len(left)} resources of the demo could not be deleted.",
            fix=f"Try again: `sagewizard --sandbox endpoints delete {deployment.endpoint}`.",
        )

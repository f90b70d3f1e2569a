"""The bucket that an artifact goes to: found as it is, or made, and then closed, encrypted and tagged."""

from core.aws import buckets
from core.aws.failures import is_final_no
from core.aws.tags import DEPLOYMENT
from core.deployments.run import Run
from core.errors import SagewizardError


def provide_bucket(run: Run) -> None:
    """Return when the bucket of the run is there. One of its own making is furnished, also when it was cut off before.

    Raises:
        RefusedError: the name belongs to another account, or the bucket is in another region.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    clients, name, account_id = run.account.clients, run.bucket, run.account.identity().account_id
    if buckets.bucket_exists(clients, name, account_id):
        begun = run.begun("bucket")
        if begun is None or begun.name != name or begun.state != "creating":
            return
        tags = buckets.bucket_tags(clients, name, account_id)
        if tags.get(DEPLOYMENT) != run.ledger.deployment.id and not buckets.is_bare(clients, name, account_id):
            run.ledger.record("bucket", name, "absent")  # somebody else was quicker: it is not ours
            return
    else:
        run.ledger.record("bucket", name, "creating")
        try:
            made = buckets.create_bucket(clients, name)
        except SagewizardError as error:
            if is_final_no(error.__cause__ or error):
                run.ledger.record("bucket", name, "absent")
            raise
        if not made:
            run.ledger.record("bucket", name, "absent")
            return
    buckets.furnish_bucket(clients, name, account_id, run.tags)
    run.ledger.record("bucket", name, "created")

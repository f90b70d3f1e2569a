"""The command that does what a draft says: to read, to copy, to run again."""

from tui.draft import Draft, GivenRole
from tui.workspace import Workspace


def command_line(draft: Draft, workspace: Workspace) -> str:
    """Return the command that does what the draft says; defaults are left out."""
    words = ["deploy", draft.reference]
    if draft.name:
        words += ["--name", draft.name]
    if draft.instance_type:
        words += ["--instance-type", draft.instance_type]
    if draft.instance_count != 1:
        words += ["--instance-count", str(draft.instance_count)]
    if isinstance(draft.role, GivenRole):
        words += ["--role", draft.role.arn]
    if draft.variant:
        words += ["--variant", draft.variant]
    if draft.convert:
        words += ["--convert-weights"]
    if draft.form:
        words += ["--form", draft.form]
    if draft.remote_code:
        words += ["--trust-remote-code"]
    if draft.demand_counts and draft.context:
        words += ["--context", str(draft.context)]
    if draft.demand_counts and draft.concurrency != 1:
        words += ["--concurrency", str(draft.concurrency)]
    return workspace.context.command(*words, "--yes")

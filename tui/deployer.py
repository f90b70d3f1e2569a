"""Deployments and deletions that go on while a person is elsewhere in the program."""

from typing import TYPE_CHECKING, Final

from textual.app import App

from core.deployments.events import Event
from core.deployments.plan import Plan
from core.errors import CancelledByUser, SagewizardError
from tui import calls
from tui.background import Calls, Feed
from tui.runs import DeploymentRun
from tui.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.deployments.events import Emit
    from core.deployments.ledger import Resource

_WARNING_SECONDS: Final = 30.0


class Deployer:
    """Runs plans and deletions on behalf of the app, and says how they go through the workspace's signals."""

    def __init__(self, app: App[int], workspace: Workspace) -> None:
        self._app = app
        self._workspace = workspace
        self._calls = Calls(app, debug=workspace.context.debug, sandbox=workspace.context.sandbox)

    def start(self, plan: Plan) -> DeploymentRun:
        """Begin to carry out a plan."""
        workspace = self._workspace
        return self._begin(
            DeploymentRun(plan, draft=workspace.draft),
            lambda run, emit: calls.deploy(plan, workspace.open_account(), lambda: workspace.hub, emit, run.cancel),
        )

    def resume(self, failed: DeploymentRun) -> DeploymentRun:
        """Begin to go on with a run that failed; it is put aside for the new one, which has its ledger and answers."""
        workspace = self._workspace
        failed.left, failed.dismissed = False, True
        return self._begin(
            DeploymentRun(failed.plan, draft=failed.draft, deployment=failed.deployment),
            lambda run, emit: calls.resume(
                run.deployment, workspace.open_account(), lambda: workspace.hub, emit, run.cancel
            ),
        )

    def _begin(self, run: DeploymentRun, carry_out: "Callable[[DeploymentRun, Emit], object]") -> DeploymentRun:
        def take_in(events: list[Event]) -> None:
            for event in events:
                run.apply(event)
            self._changed(run)

        feed = Feed(self._app, take_in)
        self._workspace.runs.append(run)
        self._calls.start(
            f"deploy-{len(self._workspace.runs)}",
            lambda _: carry_out(run, feed.put),
            lambda _: self._ready(run, feed),
            lambda problem: self._failed(run, feed, problem),
        )
        return run

    def stop(self, run: DeploymentRun) -> None:
        """Ask a run to stop; it then undoes what it made, which takes its time. One that is done is left as it is."""
        if run.word == "running":
            run.word = "cancelling"
            run.cancel.cancel()
            self._changed(run)
        elif run.word == "ready":
            self._tell_too_late(run)

    def delete(self, name: str) -> None:
        """Delete an endpoint with all that was made for it."""
        if name in self._workspace.deleting:
            return
        workspace = self._workspace
        self._workspace.deleting[name] = ""
        warnings: list[str] = []

        def take_in(events: list[Event]) -> None:
            self._workspace.deleting[name] = events[-1].message
            warnings.extend(event.message for event in events if event.kind == "warning")

        feed = Feed(self._app, take_in)
        self._calls.start(
            f"delete-{name}",
            lambda cancel: calls.delete_endpoint(workspace.open_account(), name, feed.put, cancel),
            lambda left: self._deleted(name, feed, warnings, left),
            lambda problem: self._not_deleted(name, problem),
        )
        self._workspace.endpoints_changed.publish(None)

    def abandon(self) -> None:
        """Leave everything as it is: the program ends. The ledger knows what exists."""
        self._calls.abandon()

    def _changed(self, run: DeploymentRun) -> None:
        self._workspace.run_changed.publish(run)

    def _tell_too_late(self, run: DeploymentRun) -> None:
        text = f"{run.name} was in service already, so it was not stopped. On the home screen d deletes it."
        self._app.notify(text, severity="warning", timeout=_WARNING_SECONDS, markup=False)

    def _ready(self, run: DeploymentRun, feed: Feed[Event]) -> None:
        feed.drain()
        too_late = run.word == "cancelling"
        run.finish("ready")
        if self._workspace.draft is run.draft:  # else the next deployment is being put together
            self._workspace.draft = None
        self._workspace.count_made(run.name)
        if too_late:
            self._tell_too_late(run)
        else:
            self._app.notify(f"{run.name} is in service.", markup=False)
        self._changed(run)
        self._workspace.endpoints_changed.publish(None)

    def _failed(self, run: DeploymentRun, feed: Feed[Event], problem: SagewizardError) -> None:
        """Before it is said to have ended, find out whether something of it is left: the program may end with it."""
        feed.drain()
        workspace, deployment = self._workspace, run.deployment
        if not deployment:  # it came to nothing before its first event
            self._ended(run, problem)
            return
        self._calls.start(
            f"left-{deployment}",
            lambda _: calls.may_be_left(workspace.open_account(), deployment),
            lambda left: self._ended(run, problem, left=left),
            lambda _: self._ended(run, problem, left=True),
        )

    def _ended(self, run: DeploymentRun, problem: SagewizardError, *, left: bool = False) -> None:
        cancelled = isinstance(problem, CancelledByUser)
        run.left = left
        run.finish("cancelled" if cancelled else "failed", problem)
        if not cancelled:
            self._app.notify(f"Deploying {run.name} failed.", severity="error", markup=False)
        self._changed(run)
        self._workspace.endpoints_changed.publish(None)

    def _deleted(self, name: str, feed: Feed[Event], warnings: list[str], left: "tuple[Resource, ...]") -> None:
        feed.drain()
        gone = all(resource.kind != "endpoint" for resource in left)
        self._workspace.deleting.pop(name, None)
        if gone:
            self._workspace.count_gone(name, whole=not left)
        if warnings:
            title = f"Not all of {name} could be deleted" if left else f"{name} is deleted, but"
            self._app.notify(
                "\n".join(warnings), title=title, severity="warning", timeout=_WARNING_SECONDS, markup=False
            )
        else:
            self._app.notify(f"{name} is deleted, with all that was listed.", markup=False)
        self._workspace.endpoints_changed.publish(name if gone else None)

    def _not_deleted(self, name: str, problem: SagewizardError) -> None:
        from tui.screens.notice import NoticeScreen

        self._workspace.deleting.pop(name, None)
        self._workspace.endpoints_changed.publish(None)
        self._app.push_screen(NoticeScreen(f"{name} could not be deleted", problem))

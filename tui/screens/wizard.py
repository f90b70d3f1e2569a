"""The wizard: five steps to a plan. It asks core in the background and keeps the draft; the steps show it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer

from core.errors import SagewizardError
from tui import calls, navigation
from tui.background import Calls
from tui.draft import STEPS, Draft, GivenRole, StepName
from tui.draft_command import command_line
from tui.widgets.account_bar import AccountBar
from tui.widgets.notes_line import NotesLine
from tui.widgets.stepper import Stepper
from tui.widgets.steps.instance_step import InstanceStep
from tui.widgets.steps.model_step import ModelStep
from tui.widgets.steps.review_step import ReviewStep
from tui.widgets.steps.role_step import RoleStep
from tui.widgets.steps.size_step import SizeStep
from tui.widgets.steps.step import (
    Commit,
    DemandChosen,
    DemandSettled,
    FormulasAsked,
    InstanceChosen,
    JumpTo,
    ModelNamed,
    NameChosen,
    PackagingChosen,
    Proceed,
    RemoteCodeChosen,
    RoleChosen,
    RoleTyped,
    Step,
    VariantChosen,
)
from tui.wizard_state import Question, WizardState
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.aws.roles import Role
    from core.deployments.plan import Plan
    from core.instances.offers import Offers
    from core.models.facts import ModelFacts, WeightSet

_RETRIED: Final[dict[StepName, Question]] = {"role": "roles", "review": "plan"}
"""What is asked again when a step is come to, after it failed; at the others it is the table."""
_AT_FIELDS: Final[tuple[Question, ...]] = ("weights", "demand")
"""What was refused as it was typed: it did not change the draft, and is forgotten with the field that is left."""


class WizardScreen(Screen[None]):
    """Walks through the steps. Going back changes no answer; leaving keeps the draft."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "wizard.tcss"]
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="wizard.back", tooltip="One step back; from the first one home"),
        Binding("ctrl+s", "save", "Save plan", id="wizard.save", tooltip="Write the plan to a file"),
        Binding("ctrl+y", "copy", "Copy command", id="wizard.copy", tooltip="Copy the command that does the same"),
        Binding("ctrl+r", "restart", "Start over", id="wizard.restart", tooltip="Forget all answers", show=False),
    ]

    def __init__(self, workspace: Workspace, *, reference: str | None = None, at: StepName = "model") -> None:
        super().__init__()
        self._workspace = workspace
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        draft = workspace.draft or Draft()
        self._at = at
        self._state = WizardState(
            draft.with_reference(reference) if reference else draft, sandbox=workspace.context.sandbox
        )
        self._look_at_once = reference is not None
        self._return_to_review = False

    def compose(self) -> ComposeResult:
        """Lay out the stepper, the steps and the line for notes."""
        yield AccountBar(self._workspace)
        yield Stepper()
        with ContentSwitcher(initial="step-model"):
            yield ModelStep(self._workspace, id="step-model")
            yield SizeStep(id="step-size")
            yield InstanceStep(id="step-instance")
            yield RoleStep(id="step-role")
            yield ReviewStep(id="step-review")
        yield NotesLine()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Show the first step, and find out at once what can be found out."""
        self._workspace.account_changed.subscribe(self, lambda _: self._ask_what_can_be_asked())
        self.go(self._at if self.draft.reachable(self._at) else "model")
        if self._look_at_once:
            self._inspect()
        self._ask_what_can_be_asked()

    def on_unmount(self) -> None:
        """Stop what goes on."""
        self._calls.cancel_all()

    @property
    def draft(self) -> Draft:
        """The answers so far."""
        return self._state.draft

    @property
    def command(self) -> str:
        """The command that does what the draft says."""
        return self._state.command

    @property
    def current(self) -> StepName:
        """The step in view."""
        return self._step.step

    @property
    def _step(self) -> Step:
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", Step)

    def go(self, step: StepName) -> None:
        """Bring a step into view; when it cannot be shown yet, say why."""
        if not self.draft.reachable(step):
            self.notify(self.draft.what_is_missing, severity="warning", markup=False)
            return
        self._calls.cancel("role")  # it was about to go on from the step that is left
        self._mark("role", asking=False)
        self.query_one(ContentSwitcher).current = f"step-{step}"
        for question in (_RETRIED.get(step, "table"), *_AT_FIELDS):
            self._forget_problem(question)
        self._set(self.draft.visited(step))
        self._ask_what_can_be_asked()  # what failed is tried again
        if step == "review":  # made anew: a name may have been taken meanwhile
            self._plan()
        self._step.take_focus()
        self.refresh_bindings()

    def _set(self, draft: Draft) -> None:
        self._workspace.draft = draft
        self._state = replace(self._state, draft=draft, command=command_line(draft, self._workspace))
        self._show()

    def _show(self) -> None:
        self.query_one(Stepper).show(self.current, self.draft)
        self._step.show(self._state)
        self.query_one(NotesLine).show(self.draft.notes)

    def _forget_problem(self, question: Question) -> None:
        problems = {key: value for key, value in self._state.problems.items() if key != question}
        self._state = replace(self._state, problems=problems)

    def _mark(self, question: Question, *, asking: bool, problem: SagewizardError | None = None) -> None:
        self._forget_problem(question)
        now = self._state.asking | {question} if asking else self._state.asking - {question}
        problems = {**self._state.problems, **({question: problem} if problem else {})}
        self._state = replace(self._state, asking=now, problems=problems)

    # -- what core is asked ------------------------------------------------------------------------------------------

    def _inspect(self) -> None:
        text, workspace = self.draft.reference, self._workspace
        self._mark("model", asking=True)
        self._show()
        self._calls.start(
            "model",
            lambda cancel: calls.inspect_model(text, lambda: workspace.hub, workspace.account, cancel),
            self._inspected,
            lambda problem: self._failed("model", problem),
        )

    def _inspected(self, found: "tuple[ModelFacts, WeightSet]") -> None:
        self._mark("model", asking=False)
        self._mark("table", asking=False)
        self._set(self.draft.with_model(*found))
        self._ask_what_can_be_asked()

    def _ask_what_can_be_asked(self) -> None:
        """Start every question whose answer is not known and whose needs are."""
        account, draft = self._workspace.account, self.draft
        if account is None:
            if self._workspace.problem:
                self._failed("table", self._workspace.problem)
            return
        asking, problems = self._state.asking, self._state.problems
        if draft.roles is None and "roles" not in asking and "roles" not in problems:
            self._mark("roles", asking=True)
            self._calls.start(
                "roles", lambda _: calls.list_roles(account), self._roles_found, lambda p: self._failed("roles", p)
            )
        if draft.facts and draft.offers is None and "table" not in asking:
            self._mark("table", asking=True)
            self._calls.start(
                "table",
                lambda cancel: calls.fetch_offers(account, cancel),
                self._offered,
                lambda problem: self._failed("table", problem),
            )
        self._show()

    def _roles_found(self, roles: "tuple[Role, ...]") -> None:
        self._mark("roles", asking=False)
        self._set(self.draft.with_roles(roles))

    def _offered(self, offers: "Offers") -> None:
        self._mark("table", asking=False)
        self._set(self.draft.with_offers(offers))

    def _plan(self) -> None:
        account, draft = self._workspace.account, self.draft
        if account is None:
            if draft.plan is None:
                self._failed("plan", self._workspace.problem or SagewizardError("The account is not open yet."))
            return
        self._mark("plan", asking=True)
        self._show()
        self._calls.start(
            "plan",
            lambda _: calls.make_plan(account, draft),
            self._planned,
            lambda problem: self._failed("plan", problem),
        )

    def _planned(self, plan: "Plan") -> None:
        self._mark("plan", asking=False)
        self._set(self.draft.with_plan(plan))
        self.refresh_bindings()

    def _failed(self, question: Question, problem: SagewizardError) -> None:
        self._mark(question, asking=False, problem=problem)
        if question == "plan":  # one that was made before may be refused as well
            self._state = replace(self._state, draft=replace(self.draft, plan=None))
        self._show()
        self.refresh_bindings()

    # -- what the person decides -------------------------------------------------------------------------------------

    @on(ModelNamed)
    def _model_named(self, event: ModelNamed) -> None:
        if event.text == self.draft.reference and self.draft.facts is not None:
            self._next()
            return
        if event.text != self.draft.reference:
            self._calls.cancel("table")
            self._mark("table", asking=False)
        self._set(self.draft.with_reference(event.text))
        if not (self._calls.busy("model") and event.text == self.draft.reference and "model" in self._state.asking):
            self._inspect()

    @on(DemandChosen)
    def _demand_chosen(self, event: DemandChosen) -> None:
        if not self._change("demand", lambda draft: draft.with_demand(*event.demand)):
            self._set(self.draft.with_demand(*event.before))  # not what lies half way to what was refused

    @on(DemandSettled)
    def _demand_settled(self) -> None:
        if "demand" not in self._state.problems:
            self._step.take_focus()

    @on(VariantChosen)
    def _variant_chosen(self, event: VariantChosen) -> None:
        self._change("weights", lambda draft: draft.with_variant(event.name))

    @on(PackagingChosen)
    def _packaging_chosen(self, event: PackagingChosen) -> None:
        self._set(event.change(self.draft))

    @on(RemoteCodeChosen)
    def _remote_code_chosen(self, event: RemoteCodeChosen) -> None:
        self._change("weights", lambda draft: draft.with_remote_code(event.trusted))

    def _change(self, question: Question, change: Callable[[Draft], Draft]) -> bool:
        """Change the draft; return whether it could be. What says no stands at the field, where the text is kept."""
        try:
            draft = change(self.draft)
        except SagewizardError as problem:
            self._failed(question, problem)
            return False
        self._forget_problem(question)
        self._set(draft)
        return True

    @on(FormulasAsked)
    def _formulas_asked(self, event: FormulasAsked) -> None:
        from tui.screens.arithmetic import ArithmeticScreen, arithmetic_of

        if (opened := arithmetic_of(self.draft, event.name)) is None:
            self.notify(self.draft.what_is_missing, severity="warning", markup=False)
        else:
            self.app.push_screen(ArithmeticScreen(*opened))

    @on(InstanceChosen)
    def _instance_chosen(self, event: InstanceChosen) -> None:
        draft = self.draft
        if event.name is not None:
            draft = draft.with_instance(event.name)
        if event.count is not None:
            draft = draft.with_count(event.count)
        self._set(draft)

    @on(RoleChosen)
    def _role_chosen(self, event: RoleChosen) -> None:
        self._set(self.draft.with_role(event.role))

    @on(RoleTyped)
    def _role_typed(self, event: RoleTyped) -> None:
        account, chosen = self._workspace.account, GivenRole(event.text)
        if account is None:  # then no plan can be made of it either
            self._take_role(chosen)
            return
        self._mark("role", asking=True)
        self._show()
        self._calls.start(
            "role",
            lambda _: calls.check_role(account, event.text),
            lambda _: self._take_role(chosen),
            lambda problem: self._failed("role", problem),
        )

    def _take_role(self, role: GivenRole) -> None:
        self._mark("role", asking=False)
        self._set(self.draft.with_role(role))
        self._next()

    @on(NameChosen)
    def _name_chosen(self, event: NameChosen) -> None:
        self._forget_problem("plan")  # it was another name's
        self._set(self.draft.with_name(event.name))
        self._plan()

    @on(Proceed)
    def _next(self) -> None:
        if self._return_to_review:
            self._return_to_review = False
            self.go("review")
        elif self.current != STEPS[-1]:
            self.go(STEPS[STEPS.index(self.current) + 1])

    @on(JumpTo)
    def _jump(self, event: JumpTo) -> None:
        self._return_to_review = event.step in ("size", "instance", "role")
        self.go(event.step)

    @on(Stepper.Picked)
    def _picked(self, event: Stepper.Picked) -> None:
        self.go(event.step)

    @on(Commit)
    def _commit(self) -> None:
        if (plan := self.draft.plan) is None:
            return
        if self._workspace.context.readonly:
            self.notify("This session is read-only: nothing is created.", severity="warning", markup=False)
            return
        self.post_message(navigation.StartRun(plan))

    def action_back(self) -> None:
        """Go one step back, or home from the first."""
        if self._return_to_review:
            self._return_to_review = False
            self.go("review")
        elif self.current == STEPS[0]:
            self.dismiss()
        else:
            self.go(STEPS[STEPS.index(self.current) - 1])

    def action_restart(self) -> None:
        """Forget all answers."""
        self._calls.cancel_all()
        self._state = WizardState(Draft(roles=self.draft.roles), sandbox=self._workspace.context.sandbox)
        self.go("model")

    def action_copy(self) -> None:
        """Copy the command that does what the draft says."""
        self.app.copy_to_clipboard(self._state.command)
        self.notify("The command is copied.", markup=False)

    def action_save(self) -> None:
        """Ask for a file name and write the plan there."""
        from tui.screens.save import SaveScreen

        if plan := self.draft.plan:
            self.app.push_screen(SaveScreen(Path(f"{plan.endpoint.name}.plan.yaml"), plan), self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            command = self._workspace.context.command("deploy", str(path))
            self.notify(f"Saved. Run it later: {command}", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys of the review on the review only."""
        if action in ("save", "copy"):
            return self.is_mounted and self.current == "review" and self.draft.plan is not None
        return super().check_action(action, parameters)

"""Fourth step: which role the endpoint works under."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from core.aws.roles import Role
from tui.draft import Draft, GivenRole, NewRole, RoleChoice, StepName
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import Proceed, RoleChosen, RoleTyped, Step
from tui.wizard_state import WizardState

_NEW = "new"
_NEW_WORDS = (
    "It may read this artifact, pull this container image and write this endpoint's log: nothing else. "
    "It is deleted together with the endpoint."
)


class RoleList(OptionList):
    """The roles; Enter takes one and goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Continue", id="role.continue", tooltip="Take this role and go on"),
    ]


class RoleStep(Step):
    """Offers a role of the deployment's own, the account's usable roles, and any other by its ARN."""

    step: ClassVar[StepName] = "role"

    def compose(self) -> ComposeResult:
        """Lay out the list and the field for another role."""
        yield Static("Which execution role?", classes="question")
        yield ProblemBox(id="role-problem")
        yield RoleList(id="roles")
        yield Static("Another role, by name or ARN", classes="label")
        yield Field(id="role-input", placeholder="arn:aws:iam::123456789012:role/name", max_length=300, compact=True)
        yield Static(id="role-doing", classes="hint")
        yield ProblemBox(id="role-typed-problem")

    def on_mount(self) -> None:
        """Nothing is listed yet."""
        self._listed: tuple[str, ...] = ()
        self._typed_last = ""

    def show(self, state: WizardState) -> None:
        """Show the roles; the one that holds is under the cursor."""
        draft = state.draft
        self.query_one("#role-problem", ProblemBox).show(state.problems.get("roles"))
        self._show_typed(state)
        options = role_options(draft, asking="roles" in state.asking)
        listed = tuple(str(option.id) for option in options)
        if listed == self._listed:
            return
        roles = self.query_one(RoleList)
        roles.clear_options()
        roles.add_options(options)
        self._listed = listed
        choice = draft.role_choice
        at = _NEW if isinstance(choice, NewRole) else choice.arn
        if at in listed:
            roles.highlighted = listed.index(at)
        else:
            self.query_one(Input).value = at

    def _show_typed(self, state: WizardState) -> None:
        """Show what is wrong with the role named by hand, while it is the one in the field."""
        field, doing = self.query_one(Input), self.query_one("#role-doing", Static)
        doing.display = "role" in state.asking
        doing.update(Content.assemble(("◐ ", "$accent"), f"Looking for {self._typed_last} …"))
        problem = state.problems.get("role") if field.value.strip() == self._typed_last else None
        field.set_class(problem is not None, "-invalid")
        box = self.query_one("#role-typed-problem", ProblemBox)
        if problem is not None and problem is not box.problem:
            self.call_after_refresh(self.scroll_end, animate=False)  # on a small screen it would be below the edge
        box.show(problem)

    def take_focus(self) -> None:
        """Focus the list."""
        self.query_one(RoleList).focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._take(NewRole() if event.option_id == _NEW else GivenRole(str(event.option_id)))

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        if text := event.value.strip():
            self._typed_last = text
            self.post_message(RoleTyped(text))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        if event.value.strip() != self._typed_last:
            event.input.remove_class("-invalid")
            self.query_one("#role-typed-problem", ProblemBox).show(None)

    def _take(self, choice: RoleChoice) -> None:
        self.post_message(RoleChosen(choice))
        self.post_message(Proceed())


def role_options(draft: Draft, *, asking: bool) -> list[Option]:
    """Return what can be chosen, a role of the deployment's own first."""
    new = Content.assemble(("Create a role for this endpoint  ", "bold"), ("★ recommended", "$success"))
    options = [Option(Content("\n").join([new, Content.styled(_NEW_WORDS, "$quiet")]), id=_NEW)]
    # One of ours reads the artifact of the endpoint that it was made for, and no other.
    options += [Option(_role_words(role), id=role.arn) for role in draft.roles or () if not role.ours]
    if asking:
        options.append(
            Option(Content.styled("◐ Looking for the account's roles …", "$quiet"), id="asking", disabled=True)
        )
    return options


def _role_words(role: Role) -> Content:
    return Content.assemble((role.name, "bold"), "\n", (role.arn, "$quiet"))

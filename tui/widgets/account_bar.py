"""The top line of every screen: the program, whose account it works in, and where."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from tui.workspace import Workspace


class AccountBar(Horizontal):
    """Program, account label, account number and region. The sandbox is named as what it is."""

    DEFAULT_CSS = """
    AccountBar {
        dock: top; height: 1; background: $panel; padding: 0 1;
        #bar-program { width: auto; color: $primary; text-style: bold; margin-right: 2; }
        #bar-account { width: 1fr; color: $text; text-wrap: nowrap; text-overflow: ellipsis; }
        #bar-where { width: auto; color: $quiet; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def compose(self) -> ComposeResult:
        """Lay out the three parts."""
        yield Static("sagewizard", id="bar-program")
        yield Static(id="bar-account")
        yield Static(id="bar-where")

    def on_mount(self) -> None:
        """Follow the account."""
        self._workspace.account_changed.subscribe(self, lambda _: self._show())
        self._show()

    def _show(self) -> None:
        self.query_one("#bar-account", Static).update(account_words(self._workspace))
        self.query_one("#bar-where", Static).update(where_words(self._workspace))


def account_words(workspace: Workspace) -> Content:
    """Return what the account is called, and that the sandbox is no AWS account; first what must not be cut off."""
    readonly = Content.styled("  read-only", "$accent") if workspace.context.readonly else Content("")
    if workspace.context.sandbox:
        return Content.assemble(("▣ SANDBOX", "bold $accent"), readonly, ("  on this machine, costs nothing", "$quiet"))
    return Content.assemble(("AWS", "$quiet"), readonly, "  " if readonly else " ", (workspace.where, "$text"))


def where_words(workspace: Workspace) -> Content:
    """Return account number and region, as far as they are known."""
    if workspace.problem:
        return Content.styled("✗ not open", "$error")
    if workspace.account is None:
        return Content("opening …")
    number = workspace.identity.account_id if workspace.identity else "…"
    return Content(f"{number} · {workspace.account.region}")

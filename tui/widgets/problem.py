"""An error as a person reads it: what happened, and what to do."""

from textual.content import Content
from textual.widgets import Static

from core.errors import SagewizardError
from core.external_text import clean_line


class ProblemBox(Static):
    """One error, or nothing at all: it takes no room while there is none."""

    DEFAULT_CSS = """
    ProblemBox {
        height: auto; display: none; padding: 0 1; margin: 0 0 1 0;
        border-left: thick $error; background: $error 8%;
        &.-shown { display: block; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.problem: SagewizardError | None = None

    def show(self, problem: SagewizardError | None) -> None:
        """Show the error, or clear what was shown."""
        self.problem = problem
        self.set_class(problem is not None, "-shown")
        self.update(problem_words(problem) if problem else "")


def problem_words(problem: SagewizardError) -> Content:
    """Return the error's sentence and, on a line of its own, its fix.

    Errors quote what a person typed or pasted, so they are cleaned here once more.
    """
    sentence = Content.assemble(("✗ ", "$error"), clean_line(problem.message))
    return (
        Content("\n").join([sentence, Content.assemble(("→ ", "$primary"), clean_line(problem.fix))])
        if problem.fix
        else sentence
    )

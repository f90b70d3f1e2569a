"""`sagewizard package`: the artifact that SageMaker serves, built on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import RefusedError
from core.quantities import format_bytes
from tui.command_line import Command
from tui.commands.model_study import Study, study
from tui.output import data, document
from tui.progress import ProgressLines
from tui.session import Session, pass_session
from tui.tables import pairs

if TYPE_CHECKING:
    from core.artifacts.archive import Packed


@click.command(cls=Command)
@click.argument("model")
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="PATH", help="Where to; see above."
)
@click.option("--template", metavar="NAME|FOLDER", help="The inference template. [by the model's task]")
@click.option("--force", is_flag=True, help="Replace what is at PATH.")
@pass_session
def package(session: Session, model: str, output: Path, template: str | None, force: bool) -> None:
    """Build the artifact of MODEL at PATH: an archive if PATH ends in .tar.gz, a folder otherwise.

    It holds one set of weights, the tokenizer and the code that serves them, as SageMaker expects them.
    """
    if not force and (output.exists() or output.is_symlink()):
        raise RefusedError(f"{output} exists already.", fix="Name another path, or replace it with --force.")
    packed = _build(session, study(session, model), output, template)
    if session.json:
        document(
            {
                "path": str(packed.path),
                "bytes": packed.bytes,
                "sha256": packed.sha256,
                "files": [{"name": file.name, "bytes": file.bytes} for file in packed.files],
            }
        )
    else:
        data(
            pairs(
                [
                    ("Artifact", str(packed.path)),
                    ("Size", f"{format_bytes(packed.bytes)}, {len(packed.files)} files"),
                    ("SHA-256", packed.sha256),
                ]
            )
        )


def _build(session: Session, looked: Study, output: Path, template_name: str | None) -> "Packed":
    from core.artifacts.archive import write_archive
    from core.artifacts.folder import write_folder
    from core.artifacts.tree import artifact_tree
    from core.deployments.reporting import Reporter
    from core.models.sources import open_source
    from core.serving.templates import find_template, template_for

    facts, weights = looked.facts, looked.weights
    template = find_template(template_name) if template_name else template_for(facts.task, facts.library)
    source = open_source(facts.reference, facts.revision, session.hub())
    members = artifact_tree(weights.files, source, template)
    archive = output.name.endswith(".tar.gz")
    with (
        ProgressLines() as lines,
        session.politely(),
        Reporter("", lines).stage("package", f"Packaging {output}") as told,
    ):
        packed = (write_archive if archive else write_folder)(
            members,
            output,
            progress=lambda done, total: told.progress("Packaging", done, total, "bytes"),
            cancel=session.cancel,
        )
        told.summary = output.name
    return packed

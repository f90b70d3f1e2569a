"""`sagewizard package`: the artifact that SageMaker serves, built on this machine."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from core.errors import RefusedError, SagewizardError, UsageError
from core.quantities import format_bytes
from tui.command_line import Command
from tui.commands.model_study import (
    Study,
    conversion_option,
    limits_from,
    objects_for,
    study,
    transfer_options,
    weight_options,
)
from tui.output import data, document
from tui.progress import ProgressLines
from tui.session import Session, pass_session
from tui.tables import pairs

if TYPE_CHECKING:
    from core.artifacts.archive import Packed
    from core.artifacts.counter import Passed
    from core.deployments.run import TransferLimits


@click.command(cls=Command)
@click.argument("model")
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="PATH", help="Where to; see above."
)
@click.option("--template", metavar="NAME|FOLDER", help="The inference template. [by the model's task]")
@weight_options
@conversion_option
@transfer_options
@click.option("--force", is_flag=True, help="Replace what is at PATH.")
@pass_session
def package(
    session: Session,
    model: str,
    output: Path,
    template: str | None,
    variant: str | None,
    remote_code: bool,
    convert: bool,
    limit_rate: int | None,
    disk: int | None,
    force: bool,
) -> None:
    """Build the artifact of MODEL at PATH: an archive if PATH ends in .tar.gz, a folder otherwise.

    It holds one set of weights, the tokenizer and the code that serves them, as SageMaker expects them.
    """
    _check_place(output, force=force)
    looked = study(session, model, variant=variant, remote_code=remote_code)
    with _way_made_for(output) as free:
        limits = limits_from(limit_rate, disk)
        packed = replace(_build(session, looked, free, output.name, template, limits, convert=convert), path=output)
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


def _check_place(output: Path, *, force: bool) -> None:
    try:
        output.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.", fix="Name another path.") from error
    folder = output.is_dir() and not output.is_symlink()
    if folder and not any(output.iterdir()):
        return
    if not force:
        raise RefusedError(f"{output} exists already.", fix="Name another path, or replace it with --force.")
    if folder and (_is_archive(output) or not (output / "code" / "inference.py").is_file()):
        raise RefusedError(
            f"{output} is a folder that holds something else than an artifact, and is not replaced.",
            fix="Name another path.",
        )


def _is_archive(output: Path) -> bool:
    return output.name.endswith(".tar.gz")


@contextmanager
def _way_made_for(output: Path) -> Iterator[Path]:
    """Give the path to build at: `output`, or for a folder that is replaced a neighbour which then takes its place."""
    if not output.is_dir() or not any(output.iterdir()):
        yield output
        return
    with ExitStack() as stack:
        with _explained(output):
            folder = TemporaryDirectory(
                prefix=f".{output.name}.", dir=output.absolute().parent, ignore_cleanup_errors=True
            )
            beside = Path(stack.enter_context(folder))
        yield beside / "new"
        with _explained(output):
            old = output.rename(beside / "old")
            try:
                (beside / "new").rename(output)
            except OSError:
                old.rename(output)
                raise


@contextmanager
def _explained(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SagewizardError(
            f"{output} cannot be replaced: {error.strerror or error}.", fix="Name another path."
        ) from error


def _build(
    session: Session,
    looked: Study,
    path: Path,
    name: str,
    template_name: str | None,
    limits: "TransferLimits",
    *,
    convert: bool,
) -> "Packed":
    from core.artifacts.archive import write_archive
    from core.artifacts.converted_tree import converted_members, refuse_nothing_to_convert
    from core.artifacts.counter import Counter
    from core.artifacts.folder import write_folder
    from core.artifacts.tree import artifact_tree
    from core.deployments.reporting import Reporter
    from core.deployments.staging import staging_folder
    from core.models.sources import open_source
    from core.models.weight_set import refuse_base_elsewhere
    from core.serving.templates import find_template, template_for

    facts, weights = looked.facts, looked.weights
    template = find_template(template_name) if template_name else template_for(facts.task, facts.library)
    refuse_base_elsewhere(facts, weights)
    if convert:
        refuse_nothing_to_convert([file.path for file in weights.files], str(facts.reference))
    source = open_source(facts.reference, facts.revision, session.hub(), objects_for(session, facts.reference))
    members = artifact_tree(weights.files, source, template)
    throttle = limits.throttle()

    def tell(passed: "Passed") -> None:
        told.progress("Packaging", passed.done, total, "bytes", file=passed.file, of_file=passed.of_file)

    def arriving(count: int, path: str) -> None:
        packed.ahead(count, path)

    with (
        ProgressLines() as lines,
        session.politely(),
        Reporter("", lines).stage("package", f"Packaging {name}") as told,
        ExitStack() as stack,
    ):
        if convert:
            members = converted_members(
                members,
                stack.enter_context(staging_folder(f"package-{secrets.token_hex(8)}")),
                cancel=session.cancel,
                arriving=arriving,
                throttle=throttle,
                disk_bytes=limits.disk_bytes,
            )
        total = sum(member.bytes for member in members)
        packed = Counter(members, tell)
        made = (write_archive if _is_archive(path) else write_folder)(
            members, path, cancel=session.cancel, packed=packed, throttle=throttle
        )
        told.summary = name
    return made

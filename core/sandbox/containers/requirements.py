"""The artifact's `code/requirements.txt`: the container installs it; here it is checked, and installed when asked."""

import importlib.metadata
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger("requirements")

INSTALL_VARIABLE: Final = "SAGEWIZARD_SANDBOX_INSTALL_REQUIREMENTS"
"""Set to 1 where the sandbox is started: containers install what their artifact requires, as SageMaker's do."""


@dataclass(frozen=True, slots=True)
class RequirementCheck:
    """One line of `requirements.txt`: whether this environment has what it asks for, and in words why (not)."""

    line: str
    satisfied: bool
    reason: str


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", "").splitlines():
        bare = line.split(" #", 1)[0].strip()
        if bare and not bare.startswith("#"):
            yield bare


def check_requirements(
    text: str, installed_version: Callable[[str], str | None] = _version
) -> tuple[RequirementCheck, ...]:
    """Return how each requirement of a `requirements.txt` stands with what is installed.

    Options (`-r`, `--index-url` …) and direct URLs cannot be checked and say so; a requirement whose environment marker
    does not hold here counts as satisfied.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    checks = []
    for line in _lines(text):
        if line.startswith("-"):
            checks.append(RequirementCheck(line, satisfied=True, reason="an option of pip, not checked"))
            continue
        try:
            requirement = Requirement(line.split(" --", 1)[0])
        except InvalidRequirement as error:
            checks.append(
                RequirementCheck(line, satisfied=False, reason=f"cannot be read: {str(error).splitlines()[0]}")
            )
            continue
        if requirement.marker and not requirement.marker.evaluate():
            checks.append(RequirementCheck(line, satisfied=True, reason="not needed here"))
            continue
        version = installed_version(requirement.name)
        if version is None:
            satisfied, reason = False, "not installed"
        elif requirement.url:
            satisfied, reason = True, f"{version} is installed; the URL is not checked"
        elif requirement.specifier.contains(version, prereleases=True):
            satisfied, reason = True, f"{version} is installed"
        else:
            satisfied, reason = False, f"{version} is installed"
        checks.append(RequirementCheck(line, satisfied, reason))
    return tuple(checks)


def report_requirements(path: Path) -> None:
    """Write to the log how each requirement of the file stands."""
    for check in check_requirements(path.read_text("utf-8", "replace")):
        if check.satisfied:
            logger.info("requirements.txt: %s: %s", check.line, check.reason)
        else:
            logger.warning(
                "requirements.txt: %s: %s; SageMaker would install it, the sandbox does not unless "
                "SAGEWIZARD_SANDBOX_INSTALL_REQUIREMENTS=1",
                check.line,
                check.reason,
            )


def install_requirements(path: Path, target: Path) -> None:
    """Install what is missing of the file's requirements into `target` with pip, and import from there.

    Raises:
        ValueError: pip failed; its output is in the log.
    """
    logger.info("installing packages from requirements.txt...")
    checks = check_requirements(path.read_text("utf-8", "replace"))
    wanted = target.with_suffix(".txt")
    wanted.write_text("".join(f"{c.line}\n" for c in checks if not c.satisfied or c.line.startswith("-")), "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--target"]
    done = subprocess.run([*command, str(target), "-r", str(wanted)], cwd=path.parent, check=False)
    if done.returncode:
        raise ValueError("failed to install required packages")
    sys.path.insert(0, str(target))

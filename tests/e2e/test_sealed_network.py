"""With `--sandbox` nothing leaves this machine: a whole journey with every address but loopback blocked."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

_GUARD = '''
"""Loaded by every Python process that inherits PYTHONPATH: refuses, and notes, whatever is not for loopback."""

import ipaddress, os, socket

_note = os.environ.get("NETWORK_ATTEMPTS")


def _refuse(what):
    with open(_note, "a") as file:
        file.write(f"{what}\\n")
    raise OSError(f"blocked: {what}")


def _check(address):
    if isinstance(address, tuple):
        try:
            inside = ipaddress.ip_address(address[0]).is_loopback
        except ValueError:
            inside = address[0] == "localhost"
        if not inside:
            _refuse(address[0])


class Guarded(socket.socket):
    def connect(self, address):
        _check(address)
        return super().connect(address)

    def connect_ex(self, address):
        _check(address)
        return super().connect_ex(address)

    def sendto(self, data, *rest):
        _check(rest[-1])
        return super().sendto(data, *rest)


def _resolve(host, *rest, **more):
    _check((host.decode() if isinstance(host, bytes) else host or "localhost",))
    return _getaddrinfo(host, *rest, **more)


if _note:
    _getaddrinfo, socket.getaddrinfo, socket.socket = socket.getaddrinfo, _resolve, Guarded
'''


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """An environment that blocks the network, in which everything that could lead to AWS is set to do so."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(_GUARD)
    config = tmp_path / "aws-config"
    config.write_text(
        "[default]\nregion = eu-west-1\nendpoint_url = https://aws.example.com\n"
        "aws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
        "[profile work]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = default\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(guard),
        "NETWORK_ATTEMPTS": str(tmp_path / "attempts"),
        "SAGEWIZARD_HOME": str(tmp_path / "home"),
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "AWS_ENDPOINT_URL_SAGEMAKER": "https://sagemaker.example.com",
        "AWS_SESSION_TOKEN": "real",
        "HTTPS_PROXY": "http://proxy.example.com:3128",
        "HTTP_PROXY": "http://proxy.example.com:3128",
    }
    environment.pop("AWS_EC2_METADATA_DISABLED", None)
    yield environment
    _sagewizard(environment, "sandbox", "stop")


def _sagewizard(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_block_blocks(sealed: Mapping[str, str]) -> None:
    program = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=5)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**sealed, "HTTP_PROXY": ""}, capture_output=True, text=True, check=False
    )
    assert "blocked: 192.0.2.1" in done.stderr
    assert Path(sealed["NETWORK_ATTEMPTS"]).read_text() == "192.0.2.1\n"


def test_the_demo_needs_no_network_and_leaves_an_empty_account(sealed: Mapping[str, str]) -> None:
    done = _sagewizard(sealed, "demo")
    assert done.returncode == 0, done.stderr
    assert "billed until it is deleted" in done.stdout
    listed = _sagewizard(sealed, "--sandbox", "endpoints", "--json")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split() == ["{", '"endpoints":', "[]", "}"]
    attempts = Path(sealed["NETWORK_ATTEMPTS"])
    assert not attempts.exists(), attempts.read_text()

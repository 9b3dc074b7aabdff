"""Peers of other releases of Debian, in a folder: ``python -m benchmarks.releases trixie sid``.

nginx and HAProxy of a newer release have a newer OpenSSL, of the gateway's generation, than those of the release that
is installed. apt-get with a state of its own resolves their packages, libc among them, as if nothing were installed;
they are unpacked, and nothing of them is run or configured. The programs in ``<folder>/bin`` start by the release's own
dynamic loader. No root is needed. ``--peer nginx,nginx-trixie,haproxy-sid`` measures them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import programs
from benchmarks.programs import BenchmarkError

RELEASES = programs.HERE / "out" / "releases"
PROGRAMS = {"nginx": "usr/sbin/nginx", "haproxy": "usr/sbin/haproxy"}
PACKAGES = ("nginx", "libnginx-mod-stream", "haproxy")
MODULES = "usr/lib/nginx/modules"
TIMEOUT = 240.0

CONFIGURATION = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::Etc::SourceList "{apt}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{apt}/lists";
Dir::State::status "{apt}/status";
Dir::State::extended_states "{apt}/extended_states";
Dir::Cache "{apt}/cache";
"""
"""Of apt; what it has of the machine's beside this, such as a proxy, stays."""

WRAPPER = """\
#!/bin/sh
exec {loader} --library-path {libraries} --argv0 {name} {program} "$@"
"""


def program(name: str, release: str) -> Path:
    """The program of a release that was brought.

    Raises:
        BenchmarkError: it was not.
    """
    path = RELEASES / release / "bin" / name
    if not path.exists():
        raise BenchmarkError(f"there is no {path}: python -m benchmarks.releases {release}")
    return path


def modules(release: str) -> Path:
    """Where the modules of a release's nginx are."""
    return RELEASES / release / "root" / MODULES


def bring(release: str) -> list[Path]:
    """Unpacks a release's programs into a folder, in place of what was there; returns the programs.

    Raises:
        BenchmarkError: this is no Debian, or it does not have the release.
    """
    folder = (RELEASES / release).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    apt, root = folder / "apt", folder / "root"
    for each in (apt / "lists" / "partial", apt / "cache" / "archives" / "partial", root, folder / "bin"):
        each.mkdir(parents=True)
    (apt / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {_mirror()} {release} main\n")
    configuration = apt / "apt.conf"
    configuration.write_text(CONFIGURATION.format(apt=apt))
    apt_get = ("apt-get", "--quiet=2", f"--config-file={configuration}")
    _run(*apt_get, "update")
    _run(*apt_get, "install", "--yes", "--download-only", *PACKAGES)
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        _run("dpkg", "--extract", str(package), str(root))
    shutil.rmtree(apt)
    return [_wrapped(folder, name, root / path) for name, path in PROGRAMS.items()]


def _mirror() -> str:
    """Where this machine has Debian's packages from."""
    lines = _run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages").splitlines()
    for label, _, address in (line.partition(" ") for line in lines):
        if label == "Debian":
            return address
    raise BenchmarkError("apt knows no packages of Debian: apt-get update")


def _wrapped(folder: Path, name: str, path: Path) -> Path:
    """A script that starts a program with the release's loader and libraries, in the same process."""
    root = folder / "root" / "usr"
    [loader] = {each.resolve() for each in root.glob("lib*/ld-linux*.so.*")}
    wrapper = folder / "bin" / name
    [libraries] = root.glob("lib/*-linux-gnu")
    wrapper.write_text(WRAPPER.format(loader=loader, libraries=libraries, name=name, program=path))
    wrapper.chmod(0o755)
    return wrapper


def _run(*command: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(str(error)) from None
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main(names: list[str]) -> int:
    """Returns the exit status: 0 all are there, 1 one cannot be had."""
    try:
        for release in names:
            for path in bring(release):
                print(path)
    except BenchmarkError as error:
        print(f"benchmarks.releases: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

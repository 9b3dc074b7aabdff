"""Brings the peers that Debian packages, where that is wanted: of the release that is installed, and of others."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import releases
from benchmarks.programs import BenchmarkError

PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "apache2": "apache2", "stunnel4": "stunnel4"}
POLICY = Path("/usr/sbin/policy-rc.d")


def install(peers: Iterable[str]) -> list[str]:
    """Installs what is missing of the peers; returns what is to be said about it."""
    names = list(peers)
    return [*_install(names), *_bring(names)]


def _bring(peers: list[str]) -> list[str]:
    """Those of other releases, named ``nginx-trixie``."""
    wanted = {release for kind, _, release in (peer.partition("-") for peer in peers) if release and kind in PACKAGES}
    remarks = []
    for release in sorted(release for release in wanted if not (releases.RELEASES / release / "bin").exists()):
        try:
            releases.bring(release)
        except BenchmarkError as error:
            remarks.append(f"{release} could not be brought: {error}")
    return remarks


def _install(peers: list[str]) -> list[str]:
    missing = [PACKAGES[peer] for peer in peers if peer in PACKAGES and shutil.which(peer) is None]
    if not missing:
        return []
    if os.geteuid() or shutil.which("apt-get") is None:
        return [f"not installed, which takes root and apt-get: {', '.join(missing)}"]
    with _services_stay_down():
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(
                ["apt-get", "--quiet=2", *command], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                return [f"{', '.join(missing)} could not be installed: {done.stderr.strip()[-300:]}"]
    return []


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Packages start their services unless this program says no (status 101)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()

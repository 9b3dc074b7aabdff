"""What `agw control` begins with: a directory with a configuration, a CA and a secret, and how clients are set up."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from agwtwisted.control.port import authority
from agwtwisted.core.base.errors import AgwError
from agwtwisted.loading import load_arm
from agwtwisted.resource_manager.plane import SECRET, Credentials
from agwtwisted.resource_manager.tokens import CLIENT, TENANT
from agwtwisted.sharing.directory_lock import locked
from agwtwisted.sharing.private_files import make_directory, write_whole

FILE: Final = "gateway.ini"

_HEAD: Final = """\
; The gateway of `agw control`. Listeners, rules and backends come from clients of Azure Resource Manager, and are kept
; in the directory arm. Sections of resources that are there may follow here, for keys that Azure does not have:
; [ssl_profile NAME]
; refusal = Handshake
[gateway]
state_directory = .
access_log = access.log
"""


@attrs.frozen(kw_only=True)
class PlaneSetup:
    """What clients have to know."""

    file: Path
    url: str
    subscription: str
    ca_file: Path
    secret: str = attrs.field(repr=False)

    @property
    def secret_file(self) -> Path:
        """Where the secret is."""
        return self.ca_file.with_name(SECRET)

    def summary(self) -> str:
        """Where everything is; without the secret."""
        pairs = (
            ("control plane", self.url),
            ("CA", str(self.ca_file)),
            ("subscription", self.subscription),
            ("tenant", TENANT),
            ("client id", CLIENT),
            ("client secret", f"in {self.secret_file}"),
            ("configuration", str(self.file)),
        )
        return "\n".join(f"{name:14} {value}" for name, value in pairs)

    def lines(self) -> str:
        """Commands of a shell that set up azure-cli, the SDKs and Terraform, with the secret."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        az = self.ca_file.with_name("azure")
        yield "# azure-cli, with a directory of its own: your login to Azure stays as it is"
        yield from _exports(
            AZURE_CONFIG_DIR=str(az),
            REQUESTS_CA_BUNDLE=str(self.ca_file),
            AZURE_CORE_INSTANCE_DISCOVERY="false",
            AZURE_CORE_COLLECT_TELEMETRY="false",
        )
        yield f"az cloud register -n agw --endpoint-resource-manager {self.url} || true"
        yield "az cloud set -n agw"
        yield (
            f"az login --service-principal -u {CLIENT} -p {shlex.quote(f'@{self.secret_file}')} --tenant {TENANT}"
            " --allow-no-subscriptions"
        )
        yield "# SDKs: ClientSecretCredential with this authority, and disable_instance_discovery=True"
        yield from _exports(
            AZURE_AUTHORITY_HOST=self.url,
            AZURE_TENANT_ID=TENANT,
            AZURE_CLIENT_ID=CLIENT,
            AZURE_CLIENT_SECRET=self.secret,
            AZURE_SUBSCRIPTION_ID=self.subscription,
        )
        yield "# Terraform (azurerm), and other programs in Go"
        yield from _exports(
            SSL_CERT_FILE=str(self.ca_file),
            ARM_METADATA_HOSTNAME=self.url.removeprefix("https://"),
            ARM_TENANT_ID=TENANT,
            ARM_CLIENT_ID=CLIENT,
            ARM_CLIENT_SECRET=self.secret,
            ARM_SUBSCRIPTION_ID=self.subscription,
        )


def begin(
    directory: Path,
    control: Mapping[str, str],
    arm: Mapping[str, str],
    now: Callable[[], datetime],
) -> PlaneSetup:
    """The setup in a directory, all of which is made that is missing.

    Args:
        directory: made for its owner alone.
        control: further keys of `[control]`, for the configuration that is written at the first start.
        arm: keys of `[arm]`, the same.
        now: returns the time (aware).

    Raises:
        AgwError: there is a configuration already, and keys were given; or something is not what it should be.
        OSError: a file can be neither read nor made.
    """
    directory = directory.expanduser().absolute()
    make_directory(directory)
    file = directory / FILE
    with locked(directory):
        is_there = file.exists()
        if not is_there:
            write_whole(file, _configuration(control, arm).encode())
    if is_there and (control or arm):
        keys = ", ".join((*control, *arm))
        raise AgwError(f"{file} is there already: set {keys} in it, or name another --directory")
    try:
        return _setup(file, now)
    except AgwError:
        if not is_there:
            file.unlink()  # it has what is not taken
        raise


def _setup(file: Path, now: Callable[[], datetime]) -> PlaneSetup:
    plan = load_arm(None, str(file), now()).plan
    found, state = plan.config.control, plan.gateway.state_directory
    if found is None or not found.arm or state is None:
        raise AgwError(f"{file}: [control] has no arm = true: `agw run --config {file}` runs it")
    credentials = Credentials.of(Path(state).absolute(), found.address, now)
    host = "localhost" if found.address in ("127.0.0.1", "::1") else found.address
    return PlaneSetup(
        file=file,
        url=f"https://{authority(host, found.arm_port)}",
        subscription=found.arm_subscription,
        ca_file=credentials.authority.ca_file,
        secret=credentials.secret,
    )


def _configuration(control: Mapping[str, str], arm: Mapping[str, str]) -> str:
    sections = [_HEAD, _section("control", {"arm": "true", **control})]
    return "\n".join([*sections, *([_section("arm", arm)] if arm else [])])


def _section(title: str, keys: Mapping[str, str]) -> str:
    return "".join([f"[{title}]\n", *(f"{key} = {value}\n" for key, value in keys.items())])


def _exports(**variables: str) -> Iterator[str]:
    for name, value in variables.items():
        yield f"export {name}={shlex.quote(value)}"

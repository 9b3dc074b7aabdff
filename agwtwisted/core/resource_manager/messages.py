"""What passes between the protocol of Azure Resource Manager and what carries it: requests, answers, work, the state.

The core decides, from a request and the state, what is answered, or what has to be done first; the shell does that,
and changes the state by it only where it went well. Nothing here is kept by reference: all of it is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

import attrs

from agwtwisted.core.arm.json_text import JsonNode

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value of JSON as `json.loads` gives it; nothing changes one that is in a message."""

JsonObject: TypeAlias = Mapping[str, JsonValue]


@attrs.frozen(kw_only=True)
class ArmRequest:
    """A request whose client has proven who it is."""

    method: str  # in capitals
    path: str  # as it was sent, without the query
    query: Mapping[str, str] = attrs.Factory(dict)  # decoded, names in small letters: api-version, $filter
    headers: Mapping[str, str] = attrs.Factory(dict)  # names in small letters; Authorization is not among them
    body: bytes = attrs.field(default=b"", repr=False)
    base_url: str  # https://localhost:8902, as the client has it
    request_id: str  # a UUID that no other request has; etags and operations get their ids from it, too
    moment: datetime  # aware


@attrs.frozen(kw_only=True)
class ArmAnswer:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = attrs.Factory(dict)
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen(kw_only=True)
class Stored:
    """A resource as it is kept: a gateway, a group, a deployment, or a neighbour such as a public IP address."""

    id: str  # as its first PUT spelled it
    body: JsonObject  # form C without id, etag and whatever is secret
    etag: str


@attrs.frozen(kw_only=True)
class Secret:
    """What a certificate was given with, and no answer says."""

    data: str = attrs.field(repr=False)  # base64 of PKCS #12, as it was sent
    password: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class ArmOperation:
    """A piece of work that took longer than its request."""

    answer: ArmAnswer | None = None  # None: it is not done


@attrs.frozen(kw_only=True)
class ArmState:
    """All that is known at one moment; keys are in small letters."""

    tenant: str
    subscription: str
    location: str = "local"
    records: Mapping[str, Stored] = attrs.Factory(dict)  # by their ids
    secrets: Mapping[str, Secret] = attrs.field(factory=dict, repr=False)  # of the gateway, by names of certificates
    running: bool = True  # False: the gateway was stopped
    operations: Mapping[str, ArmOperation] = attrs.Factory(dict)  # by their ids; they do not survive a restart
    values: Mapping[str, JsonNode] = attrs.field(factory=dict, repr=False)  # of expressions, as `[arm]` has them

    def after(self, work: Work) -> ArmState:
        """The state once a piece of work is done."""
        records = {**self.records, **{change.id.lower(): change.stored for change in work.changes}}
        return attrs.evolve(
            self,
            records={key: stored for key, stored in records.items() if stored is not None},
            secrets=self.secrets if work.secrets is None else work.secrets,
            running=self.running if work.running is None else work.running,
        )


@attrs.frozen(kw_only=True)
class Change:
    """What becomes of one resource."""

    id: str
    stored: Stored | None  # None: it is deleted


@attrs.frozen
class NoTask:
    """Nothing is to be done but to keep the changes."""


@attrs.frozen(kw_only=True)
class Serve:
    """A gateway is to take the place of what serves, whole or not at all."""

    body: JsonObject = attrs.field(repr=False)  # form C with id, name and the secrets
    only_judged: bool = False  # it is judged, and what serves stays as it is


@attrs.frozen
class ServeNothing:
    """What serves is to end: all listeners are closed."""


@attrs.frozen
class AskHealth:
    """The health of all servers, in the members of `/backends` of the control API."""


@attrs.frozen(kw_only=True)
class ProbeOnce:
    """Each server of a pool is to be probed, once, as a probe with these settings would."""

    pool: str  # its name
    settings: str  # the name of the backend HTTP settings, or of the backend settings of layer 4
    protocol: str = ""  # empty, and None below: as the settings have it
    host: str = ""
    path: str = ""
    timeout: float = 30.0  # seconds
    body: str = ""  # that a response has to contain
    status_codes: tuple[str, ...] = ()  # 200-399


Task: TypeAlias = NoTask | Serve | ServeNothing | AskHealth | ProbeOnce


@attrs.frozen(kw_only=True)
class Work:
    """What has to be done before a request is answered, and what is to be kept once it went well."""

    task: Task
    answer: ArmAnswer  # once it went well; of AskHealth and ProbeOnce, the servers make it
    changes: tuple[Change, ...] = ()
    secrets: Mapping[str, Secret] | None = attrs.field(default=None, repr=False)  # None: they stay
    running: bool | None = None  # None: it stays
    summary: str = ""  # for the log: PUT applicationGateways/gw
    removed: tuple[str, ...] = ()  # collections that were not empty, and are now

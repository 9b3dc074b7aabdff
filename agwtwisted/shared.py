"""What outlives a configuration: clocks, the access log, what is known of revocation and names, counts, random numbers.

`service` makes one for the process; every `generation.Generation` is made with it. What is here is bound to what cannot
change while the process lives: the reactor, and the access log and state directory of the first configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.backends.affinity_key import AffinityKey
from agwtwisted.backends.operator_drains import OperatorDrains
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.shared_health import ParentsHealth
from agwtwisted.backends.system_resolver import SystemResolver
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.listening.stream_places import StreamPlaces
from agwtwisted.core.operations.names import names_of
from agwtwisted.core.operations.staples_in_force import staple_subjects
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.shared_limits import SharedLimits
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.operations.counters import ListCounters
from agwtwisted.operations.events import Events
from agwtwisted.operations.metrics import Metrics
from agwtwisted.operations.refusals import Refusals
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.outbound.fetching import Fetcher
from agwtwisted.outbound.lateness import Lateness
from agwtwisted.revocation.crl_download import CrlDownload
from agwtwisted.revocation.crl_files import ReadCrlFiles, read_crl_files
from agwtwisted.revocation.crl_lists import CrlLists
from agwtwisted.revocation.crl_proving import pause
from agwtwisted.revocation.crl_retrieval import CrlRetrieval
from agwtwisted.revocation.crl_store import DIRECTORY, FileListStore, MemoryListStore, temporary_directory
from agwtwisted.revocation.held_staples import FollowedStaples, HeldStaples
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore, OpenedStore, ResponseStore
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED, SharedKnowledge
from agwtwisted.revocation.shared_lists import SharedLists
from agwtwisted.revocation.shared_source import SharedSource, hear_revocations
from agwtwisted.revocation.staple_store import StapleStore
from agwtwisted.revocation.stapling import Stapling
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.tls.contexts import VariablesOf, trusted_variables
from agwtwisted.tls.resumption import Resumption
from agwtwisted.transport.clocks import WallClock, system_time
from agwtwisted.transport.outbox import Outbox, outbox_of


@attrs.frozen(kw_only=True, eq=False)
class WorkerPlace:
    """A process's place among those of its gateway, and what they have in common."""

    index: int = 0
    """Of a worker, from 1; 0: the parent of the workers, or the one process of a gateway without workers."""
    count: int = 1
    """How many workers there are."""
    siblings: Siblings = NO_SIBLINGS
    """The way to all other processes, the parent among them."""
    memory: SharedMemory | None = None
    """With counts, addresses and a lock: made by the parent, and inherited. It outlives each worker."""
    affinity_key: bytes = b""
    """As the parent has loaded or made it; empty: none has."""
    first_number: int = 1
    """By which a connection or refusal of this process is known; a worker before it has had lower ones only."""
    variables_of: VariablesOf | None = None
    """With which the contexts were made that this process has inherited; None: it makes its own."""

    @property
    def is_alone(self) -> bool:
        """Whether this process is the whole gateway."""
        return self.memory is None


ALONE: Final = WorkerPlace()


@attrs.frozen(kw_only=True, eq=False)
class Shared:
    """What all generations have in common."""

    reactor: PosixReactorBase
    outbox: Outbox  # of its turns
    wall: WallClock
    access_log: AccessLog
    revocation: Revocation
    crl_lists: CrlLists  # the other source of it
    ocsp_answers: OcspAnswers  # one of its sources
    cold_client: ColdClient  # sends the gateway's own requests
    ocsp_client: OcspClient  # asks responders by it
    staples: HeldStaples  # OCSP responses about the gateway's own certificates
    knowledge: SharedKnowledge  # of other gateways
    resolver: Resolver
    limits: Limits
    limiter: LogRateLimiter  # of failed handshakes
    random: Random
    variables_of: VariablesOf  # the memory of trusted clients' certificates
    resumption: Resumption  # judges clients that resume TLS sessions
    affinity_key: AffinityKey
    place: WorkerPlace = ALONE
    events: Events  # of this process
    refusals: Refusals  # of clients, the last ones
    drains: OperatorDrains  # servers that an operator has taken out
    health: ParentsHealth | None = None  # of servers, in a worker: it does not probe
    places: StreamPlaces = attrs.Factory(StreamPlaces)  # for several requests of one connection at once
    metrics: Metrics = attrs.Factory(Metrics)
    numbers: Iterator[int]  # of clients
    started: float  # in seconds since 1970
    own_ports: set[int]  # those listened on now: no question about a certificate goes to them
    state_directory: Path | None  # absolute: a daemon changes its directory

    @classmethod
    def make(
        cls,
        plan: Plan,
        reactor: PosixReactorBase,
        *,
        seconds: Callable[[], float] = system_time,
        room: int | None = None,
        place: WorkerPlace = ALONE,
    ) -> Shared:
        """What a process needs that begins with this plan.

        Args:
            plan: says where the access log and the state directory are.
            reactor: everything runs on it.
            seconds: the time by which validity is judged and that the log shows, since 1970. What waits, waits by the
                reactor's, which need not have anything to do with it.
            room: client connections for which there are descriptors, as `core.plan.descriptors` has it; None: enough.
            place: of this process among those of its gateway.

        Raises:
            OSError: the access log cannot be opened, or the state directory not made.
            SectionError: a file of `crl_files` cannot be read, or is none.
        """
        gateway = plan.gateway
        directory = _directory(gateway)
        wall = WallClock(reactor, seconds)
        access_log = _opened_log(gateway, reactor, seconds, place)
        # For trace ids and the spread of renewals, which are no secret: no system call for each.
        random = Random(SystemRandom().getrandbits(128))  # noqa: S311
        own_ports = {port for _, port in plan.addresses}
        cold_client = ColdClient(reactor, lateness=Lateness(reactor), proxy=gateway.outbound_proxy)
        client = OcspClient(reactor, cold_client, own_ports=own_ports)
        metrics, events = Metrics(), Events(reactor)
        metrics.use(names_of(plan), reactor.seconds())
        resolver = Resolver(reactor, SystemResolver(reactor).look_up)
        knowledge = _knowledge(gateway, reactor, resolver, random, metrics, place)
        asked = OcspSource(client, wall.seconds, reactor.seconds, metrics.revocation)
        source = SharedSource(asked, knowledge, reactor, wall, metrics.shared_store)
        answers = OcspAnswers(
            *(reactor, wall, source, _store(plan, directory, wall, reactor), random),
            siblings=place.siblings,
            shares=knowledge is not NOTHING_SHARED,
            counters=metrics.revocation,
        )
        lists = crl_lists(
            *(reactor, wall, cold_client, directory, random),
            place=place,
            own_ports=own_ports,
            counters=metrics.lists,
            knowledge=knowledge,
        )
        made = cls(
            reactor=reactor,
            outbox=outbox_of(reactor),
            wall=wall,
            access_log=access_log,
            revocation=Revocation((answers, lists), wall.seconds, metrics.revocation),
            ocsp_answers=answers,
            crl_lists=lists,
            cold_client=cold_client,
            ocsp_client=client,
            staples=_staples(directory, wall, reactor, client, random, place),
            knowledge=knowledge,
            resolver=resolver,
            limits=_limits(gateway, reactor, room, place),
            limiter=LogRateLimiter(reactor.seconds),
            random=random,
            variables_of=place.variables_of or trusted_variables(),
            resumption=Resumption(reactor.seconds, place.siblings),
            affinity_key=AffinityKey(directory, place.affinity_key),
            place=place,
            events=events,
            refusals=Refusals(events, place.index, wall.seconds, place.first_number),
            drains=OperatorDrains(place.siblings),
            health=ParentsHealth(reactor, place.siblings) if place.index else None,
            metrics=metrics,
            numbers=count(place.first_number),
            started=wall.seconds(),
            own_ports=own_ports,
            state_directory=directory,
        )
        made.revocation.use(checking_profiles(plan))
        made._adopt(plan, made.read_crl_files(plan))
        made.staples.use(staple_subjects(plan))
        hear_revocations(knowledge, source, answers.heard)
        return made

    def opened_store(self, plan: Plan) -> OpenedStore | None:
        """Where OCSP responses are stored from now on, if this plan is the first one that checks revocation and the
        process has a state directory; else None: they are stored where they are. May run in a thread.

        Raises:
            OSError: the state directory cannot be made.
        """
        if self.ocsp_answers.is_stored or self.state_directory is None or not checking_profiles(plan):
            return None
        from agwtwisted.revocation.sqlite_store import SqliteStore

        store = SqliteStore(self.state_directory, self.wall.seconds, self.reactor.callFromThread)
        return OpenedStore(store, tuple(store.load(self.wall.seconds(), self.ocsp_answers.max_answers)))

    def read_crl_files(self, plan: Plan) -> ReadCrlFiles:
        """The lists in the files of a plan; takes seconds for large ones. May run in a thread.

        Raises:
            SectionError: one cannot be read, or is none.
        """
        return read_crl_files(list_profiles(plan), self.crl_lists.files, pause)

    def use(self, plan: Plan, store: OpenedStore | None = None, files: ReadCrlFiles | None = None) -> None:
        """This plan is in force from now on.

        Args:
            plan: what is in force.
            store: what `opened_store` has returned for it.
            files: what `read_crl_files` has; None: the same as before.
        """
        self.metrics.use(names_of(plan), self.reactor.seconds())
        self.revocation.use(checking_profiles(plan))
        self.staples.use(staple_subjects(plan))
        if store is not None:
            self.ocsp_answers.keep_in(store)
        if files is not None:
            self._adopt(plan, files)

    def _adopt(self, plan: Plan, files: ReadCrlFiles) -> None:
        self.crl_lists.follow(plan.gateway.watch_files)
        self.crl_lists.adopt(files)


def _opened_log(
    gateway: Gateway, reactor: PosixReactorBase, seconds: Callable[[], float], place: WorkerPlace
) -> AccessLog:
    """The access log, of this process or of all workers; raises OSError."""
    lock = None if place.memory is None else place.memory.batch_lock()
    log = AccessLog(gateway.access_log, reactor, wall=seconds, lock=lock)
    log.open()
    return log


def _knowledge(
    gateway: Gateway,
    reactor: PosixReactorBase,
    resolver: Resolver,
    random: Random,
    metrics: Metrics,
    place: WorkerPlace,
) -> SharedKnowledge:
    """What is shared with other gateways, and by each worker with the others; the parent of workers asks nothing."""
    address = gateway.revocation_store
    if address is None or (not place.is_alone and not place.index):
        return NOTHING_SHARED
    from agwtwisted.revocation.redis_knowledge import RedisKnowledge
    from agwtwisted.revocation.redis_server import RedisServerFiles

    return RedisKnowledge(
        reactor,
        RedisServerFiles.of(gateway, address, reactor, resolver, outbox_of(reactor)),
        random,
        prefix=gateway.revocation_store_prefix,
        seconds=gateway.revocation_store_timeout,
        counters=metrics.shared_store,
    )


def _limits(gateway: Gateway, clock: IReactorTime, room: int | None, place: WorkerPlace) -> Limits:
    """Those of this process, or of all workers together; the parent of workers has no connections."""
    if place.memory is None or not place.index:
        return Limits(gateway, clock, room=room)
    index, count = place.index, place.count
    return SharedLimits(
        *(gateway, clock), index=index, count=count, memory=place.memory, siblings=place.siblings, room=room
    )


def _staples(
    directory: Path | None,
    wall: WallClock,
    reactor: PosixReactorBase,
    client: OcspClient,
    random: Random,
    place: WorkerPlace,
) -> HeldStaples:
    """Those of a gateway in one process, or what a worker has of its parent."""
    if not place.is_alone:
        return FollowedStaples(wall, place.siblings)
    return Stapling(reactor, wall, client, StapleStore(reactor, directory), random)


def parents_stapling(plan: Plan, reactor: PosixReactorBase, wall: WallClock, siblings: Siblings) -> Stapling:
    """What asks for all workers, in their parent, to be started."""
    directory = _directory(plan.gateway)
    random = Random(SystemRandom().getrandbits(128))  # noqa: S311 - spreads requests
    cold_client = ColdClient(reactor, lateness=Lateness(reactor), proxy=plan.gateway.outbound_proxy)
    client = OcspClient(reactor, cold_client)
    made = Stapling(reactor, wall, client, StapleStore(reactor, directory), random, siblings=siblings)
    made.use(staple_subjects(plan))
    return made


def _directory(gateway: Gateway) -> Path | None:
    """The state directory, absolute."""
    return None if gateway.state_directory is None else Path(gateway.state_directory).absolute()


def _store(plan: Plan, directory: Path | None, wall: WallClock, reactor: PosixReactorBase) -> ResponseStore:
    """Where OCSP responses are kept: in the state directory, where there is one and revocation is checked.

    Whether a responder is asked does not matter: what was proven revoked before is so for profiles with lists alone.
    """
    if directory is None or not checking_profiles(plan):
        return MemoryStore()
    from agwtwisted.revocation.sqlite_store import SqliteStore  # with a library that other gateways run without

    return SqliteStore(directory, wall.seconds, reactor.callFromThread)


def crl_lists(
    reactor: PosixReactorBase,
    wall: WallClock,
    fetcher: Fetcher,
    directory: Path | None,
    random: Random,
    *,
    place: WorkerPlace,
    own_ports: set[int],
    counters: ListCounters,
    knowledge: SharedKnowledge,
) -> CrlLists:
    """The lists of this process, which share what they download with those of other workers and gateways."""
    kept = lists_directory(directory, place)
    store = MemoryListStore() if kept is None else FileListStore(kept, outlives_process=directory is not None)
    download = CrlDownload(reactor, fetcher, own_ports=own_ports, directory=kept)
    siblings = place.siblings
    shared = SharedLists(reactor, knowledge, wall.seconds)
    retrieval = CrlRetrieval(
        reactor, download, store, wall.seconds, siblings=siblings, counters=counters, shared=shared
    )
    lists = CrlLists(reactor, wall, retrieval, store, random, siblings=siblings)
    shared.subscribe(lists.shared)
    return lists


def lists_directory(state: Path | None, place: WorkerPlace) -> Path | None:
    """Where lists are kept: in the state directory or, for workers without one, where the system has temporary files.

    None: a single process keeps them in memory.
    """
    if state is not None:
        return state / DIRECTORY
    return None if place.memory is None else temporary_directory(place.memory)


def list_profiles(plan: Plan) -> tuple[SslProfile, ...]:
    """The profiles of a plan that read lists of revoked certificates."""
    return tuple(each for each in checking_profiles(plan) if RevocationSource.CRL in each.verify_client_revocation)


def checking_profiles(plan: Plan) -> tuple[SslProfile, ...]:
    """The profiles of a plan that check revocation, each once."""
    profiles = dict.fromkeys(each.ssl_profile for each in plan.config.served)
    return tuple(each for each in profiles if each is not None and each.verify_client_revocation)

"""Offers ``twistd agwgateway`` and ``twistd --reactor=agwepoll``; nothing is imported until it is chosen."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

agwgateway = ServiceMaker(
    "agwgateway",
    "agwtwisted.tap",
    "A TLS gateway with client certificate authentication.",
    "agwgateway",
)

agwepoll = Reactor("agwepoll", "agwtwisted.transport.reactor", "epoll(7) with less around each event.")

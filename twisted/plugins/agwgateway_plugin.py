"""Offers ``twistd agwgateway``; nothing is imported until it is chosen."""

from twisted.application.service import ServiceMaker

agwgateway = ServiceMaker(
    "agwgateway",
    "agwtwisted.tap",
    "A TLS gateway with client certificate authentication.",
    "agwgateway",
)

"""Small plans that a gateway on this machine runs as well, in real time: they show whether the simulation is true."""

from __future__ import annotations

from benchmarks.fleet.plan import Devices, Gateways, Outage, Plan, Responder, Sharing

SMALL = (
    Plan(
        name="renewals",
        seconds=50,
        devices=Devices(count=80, arrive_within=10),
        responder=Responder(lifetime=20, latency=0.05),
    ),
    Plan(
        name="a slow responder",
        seconds=12,
        devices=Devices(count=200, arrive_within=1),
        responder=Responder(lifetime=3600, latency=0.05, capacity=50),
    ),
    Plan(
        name="workers",
        seconds=40,
        devices=Devices(count=60, arrive_within=10, session=4, absence=1),
        gateways=Gateways(workers=2),
        responder=Responder(lifetime=20, latency=0.05),
    ),
    Plan(
        name="a responder that is silent",
        seconds=60,
        devices=Devices(count=150, arrive_within=10),
        gateways=Gateways(timeout=1),
        responder=Responder(lifetime=3600, latency=0.05),
        outages=(Outage(begin=0, end=18),),
    ),
    Plan(
        name="answers that end in an outage",
        seconds=60,
        devices=Devices(count=100, arrive_within=10),
        gateways=Gateways(timeout=1, clock_skew=0),
        responder=Responder(lifetime=12, latency=0.05),
        outages=(Outage(begin=15, end=30),),
    ),
    Plan(
        name="two gateways on one Redis",
        seconds=40,
        devices=Devices(count=60, arrive_within=10, session=4, absence=1),
        gateways=Gateways(count=2, sharing=Sharing.FLEET),
        responder=Responder(lifetime=20, latency=0.05),
    ),
)

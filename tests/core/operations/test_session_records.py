"""Records of L4 sessions as JSON lines."""

from __future__ import annotations

import json
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.operations.records import RecordFrame, client_members
from agwtwisted.core.operations.session_records import SessionRecord, SessionStatus, render_session
from agwtwisted.core.verification.verdicts import Trusted
from tests import pki
from tests.identities import client

DEVICE = certificate_variables(pki.Authority.root("Devices").issue("device 7").der)
CLIENT = client(
    address="185.42.129.24",
    port=45057,
    verdict=Trusted(),
    certificate=DEVICE,
    tls_version="TLSv1.3",
    cipher="TLS_AES_128_GCM_SHA256",
    server_name="mqtt.example",
)
RECORD = SessionRecord(
    timestamp=b"2026-11-25T18:00:00+00:00",
    frame=RecordFrame.from_names(listener="mqtt", rule="mqtt", backend_pool="brokers", backend_setting="plain"),
    client=client_members(CLIENT),
    server_name=CLIENT.connection.server_name,
    received_bytes=1000,
    sent_bytes=2000,
    session_time=12.3456,
    server_routed="10.0.0.7:1883",
    upstream_sent_bytes=1028,
    upstream_received_bytes=2000,
    upstream_session_time=12.3,
    upstream_source_port=40000,
    status=SessionStatus.OK,
    end="client closed",
)


def line(record: SessionRecord) -> dict[str, Any]:
    """The record as it is read, one line."""
    text = render_session(record)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    assert text.isascii()
    read: dict[str, Any] = json.loads(text)
    return read


class RenderTests(SynchronousTestCase):
    """One line for each session."""

    def test_members(self) -> None:
        """The product's members, those of the client's certificate, and ours, in these types."""
        self.assertEqual(
            line(RECORD),
            {
                "timeStamp": "2026-11-25T18:00:00+00:00",
                "resourceId": "",
                "listenerName": "mqtt",
                "ruleName": "mqtt",
                "backendPoolName": "brokers",
                "backendSettingName": "plain",
                "operationName": "ApplicationGatewayAccess",
                "category": "ApplicationGatewayAccessLog",
                "properties": {
                    "instanceId": "",
                    "clientIP": "185.42.129.24",
                    "clientPort": 45057,
                    "sslEnabled": "on",
                    "sslCipher": "TLS_AES_128_GCM_SHA256",
                    "sslProtocol": "TLSv1.3",
                    "sslSessionReused": "off",
                    "sslClientVerify": "SUCCESS",
                    "revocationStatus": "not-checked",
                    "revocationSource": "",
                    "ocspStatus": "not-checked",
                    "sslClientCertificateFingerprint": DEVICE.fingerprint.decode(),
                    "sslClientCertificateIssuerName": "CN=Devices",
                    "serverName": "mqtt.example",
                    "protocol": "TCP",
                    "receivedBytes": 1000,
                    "sentBytes": 2000,
                    "sessionTime": 12.346,
                    "serverRouted": "10.0.0.7:1883",
                    "serverStatus": "200",
                    "upstreamSentBytes": 1028,
                    "upstreamReceivedBytes": 2000,
                    "upstreamSessionTime": 12.3,
                    "upstreamSourcePort": "40000",
                    "sessionEnd": "client closed",
                    "clientCertificateOmitted": False,
                },
            },
        )

    def test_without_a_backend(self) -> None:
        """A session that found no backend has none of its values."""
        record = attrs.evolve(
            RECORD, server_routed="", upstream_source_port=None, status=SessionStatus.UNREACHABLE, end="no backend"
        )
        properties = line(record)["properties"]
        self.assertEqual(
            [properties[name] for name in ("serverRouted", "serverStatus", "upstreamSourcePort")], ["", "502", ""]
        )

    @given(st.text())
    def test_any_name(self, name: str) -> None:
        """Whatever a client asks for by SNI is one member of one line."""
        self.assertEqual(line(attrs.evolve(RECORD, server_name=name))["properties"]["serverName"], name)

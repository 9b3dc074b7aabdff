"""Servers of Debian's without HTTP, or which get their clients' addresses from a PROXY protocol header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import programs, running
from tests.end_to_end.backends import serving

MOSQUITTO = """
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence false
log_type none
"""


def _program(name: str) -> str:
    program = programs.path_of(name)
    assert program, name
    return program


@contextmanager
def mosquitto(directory: Path) -> Iterator[int]:
    """An MQTT broker; gives its port."""
    (port,) = running.free_ports(1)
    (directory / "mosquitto.conf").write_text(MOSQUITTO.format(port=port))
    with serving([_program("mosquitto"), "-c", "mosquitto.conf"], directory, port):
        yield port


@contextmanager
def redis(directory: Path) -> Iterator[int]:
    """A Redis server without persistence; gives its port."""
    (port,) = running.free_ports(1)
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with serving([_program("redis-server"), *words], directory, port):
        yield port


HAPROXY = """
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
"""


@contextmanager
def haproxy(directory: Path, configuration: str, port: int) -> Iterator[None]:
    """HAProxy with these frontends and backends, one of which listens on the port."""
    (directory / "haproxy.cfg").write_text(HAPROXY + configuration)
    with serving([_program("haproxy"), "-db", "-f", "haproxy.cfg"], directory, port):
        yield


VCL = """
vcl 4.1;
import proxy;
import std;
backend default none;
sub vcl_recv { return (synth(200)); }
sub vcl_synth {
    set resp.body = "" + client.ip + " " + std.port(client.ip) + "|" + proxy.authority() + "|" + proxy.is_ssl() + "|"
        + proxy.client_has_cert_conn() + "|" + proxy.client_has_cert_sess() + "|" + proxy.ssl_verify_result() + "|"
        + proxy.ssl_version() + "|" + proxy.client_cert_cn() + "|" + proxy.ssl_cipher() + "|" + proxy.cert_sign() + "|"
        + proxy.cert_key();
    return (deliver);
}
"""


@contextmanager
def varnish(directory: Path) -> Iterator[int]:
    """Varnish, which answers with the TLS values of the PROXY protocol header; gives its port."""
    (port,) = running.free_ports(1)
    (directory / "told.vcl").write_text(VCL)
    words = ["-j", "none", "-F", "-n", str(directory / "varnish"), "-a", f"127.0.0.1:{port},PROXY", "-s", "malloc,16m"]
    words += [
        "-p",
        "workspace_session=32k",
    ]  # a header with a certificate in it needs more than the 768 bytes of old
    with serving([_program("varnishd"), *words, "-f", str(directory / "told.vcl")], directory, port):
        yield port


NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} proxy_protocol;
        return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port";
    }}
}}
"""


@contextmanager
def nginx(directory: Path) -> Iterator[int]:
    """nginx behind the PROXY protocol, which answers with the addresses that it got; gives its port."""
    (port,) = running.free_ports(1)
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
    with serving([_program("nginx"), "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"], directory, port):
        yield port

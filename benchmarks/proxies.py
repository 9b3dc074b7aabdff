"""The proxies that are compared, and how each is configured for the same work (``templates/``)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmarks.peers import (
    CRL,
    HTTP2,
    HTTP2_RETURNING,
    MUTUAL,
    OCSP,
    OPEN,
    OVER_HTTP2,
    RELAY,
    RETURNING,
    Peer,
    Settings,
    configure,
    output_of,
    search,
)
from benchmarks.programs import BenchmarkError

ALL_SCENES = frozenset({MUTUAL, RETURNING, OPEN, OCSP, RELAY, HTTP2, HTTP2_RETURNING})

NGINX_MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"))


def nginx(binary: str, name: str = "nginx", *modules: Path) -> Peer:
    """The nginx at ``binary``: as many processes as workers are wanted; ``modules``: where its own are."""
    about = output_of(binary, "-V")
    files = (directory / "ngx_stream_module.so" for directory in modules or NGINX_MODULES)
    module = next((path for path in files if path.exists()), None)

    def command(settings: Settings) -> list[str]:
        if settings.scene == RELAY:
            file = configure(settings, "relay/nginx.conf", stream_module=module, processes=_processes(settings))
        else:
            more = {"trusted": _trusted(settings), "sites": _nginx_sites(settings), "processes": _processes(settings)}
            file = configure(settings, "nginx.conf", **more)
        return [binary, "-p", str(settings.directory), "-e", str(settings.directory / "error.log"), "-c", file]

    return Peer(
        name=name,
        versions={"nginx": search(r"nginx/(\S+)", about), "openssl": search(r"built with (.*)", about)},
        scenes=(ALL_SCENES if module else ALL_SCENES - {RELAY}) - (set() if "http_v2" in about else {*OVER_HTTP2}),
        command=command,
    )


def _processes(settings: Settings) -> str:
    """One process without a master, or a master and the workers."""
    count = settings.growth.workers
    if count == 1:
        return "master_process off;\nworker_processes 1;"
    account = "user root;\n" if os.geteuid() == 0 else ""  # the run's directory is its own
    return f"{account}worker_processes {count};"


def _trusted(settings: Settings) -> Path:
    """One file with every trusted chain."""
    files = [settings.pki.trusted, *settings.growth.chains]
    path = settings.directory / "trusted.pem"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


def _nginx_sites(settings: Settings) -> str:
    site = """
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name *.site-{number}.test;
        ssl_certificate {pki.server.chain};
        ssl_certificate_key {pki.server.key};
        ssl_client_certificate {pki.trusted};
        ssl_verify_client on;
        location / {{ proxy_pass http://app; }}
    }}"""
    numbers = range(settings.growth.sites)
    return "".join(site.format(number=number, port=settings.port, pki=settings.pki) for number in numbers)


def haproxy(binary: str, name: str = "haproxy") -> Peer:
    """The HAProxy at ``binary``: as many threads as workers are wanted."""

    def command(settings: Settings) -> list[str]:
        combined = settings.directory / "combined.pem"
        combined.touch(mode=0o600)
        combined.write_bytes(settings.pki.server.chain.read_bytes() + settings.pki.server.key.read_bytes())
        threads = settings.growth.workers
        template = "relay/haproxy.cfg" if settings.scene == RELAY else "haproxy.cfg"
        return [binary, "-db", "-f", configure(settings, template, combined=combined, threads=threads)]

    about = output_of(binary, "-vv")
    versions = {
        "haproxy": search(r"version (\S+)", about),
        "openssl": search(r"Running on (?:OpenSSL|SSL library) version : (.*)", about),
    }
    return Peer(name=name, versions=versions, scenes=ALL_SCENES - {OCSP}, command=command, logs_to_stdout=True)


GATEWAY_VERSIONS = """\
import platform, sys, sysconfig, twisted, OpenSSL, cryptography
from cryptography.hazmat.backends.openssl import backend
options = sysconfig.get_config_var("CONFIG_ARGS") or ""
how = "distribution" if sys.base_prefix == "/usr" else "optimised" if "--enable-optim" in options else "unoptimised"
print(platform.python_version(), how, twisted.__version__, OpenSSL.__version__, cryptography.__version__,
      backend.openssl_version_text().replace(" ", "_"))
"""


def gateway(name: str, checkout: Path, python: str, options: list[str]) -> Peer:
    """The gateway of ``checkout``, run by the interpreter ``python``; ``options`` are more options for twistd."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    names = ("python", "build", "twisted", "pyOpenSSL", "cryptography", "openssl")
    values = output_of(python, "-c", GATEWAY_VERSIONS).split()
    if len(values) != len(names):
        raise BenchmarkError(f"{python} cannot run the gateway: {' '.join(values[-12:])}")
    keys = checkout / "agwtwisted" / "core" / "sections" / "tls_keys.py"
    resumption = "session_resumption = off" if "session_resumption" in keys.read_text() else ""  # nginx: off, too
    commit = output_of("git", "-C", str(checkout), "describe", "--always", "--dirty").strip()
    return Peer(
        name=name,
        versions={"commit": commit, **dict(zip(names, values, strict=True))},
        scenes=ALL_SCENES if (checkout / "agwtwisted" / "http2").is_dir() else ALL_SCENES - {*OVER_HTTP2},
        command=lambda settings: [
            *(python, "-c", "from twisted.scripts.twistd import run; run()"),
            *(*options, "-n", "--pidfile=", f"--logfile={settings.directory / 'twistd.log'}"),
            *("agwgateway", "--config", _gateway_file(settings, resumption)),
        ],
        environment=environment,
    )


def _gateway_file(settings: Settings, resumption: str) -> str:
    if settings.scene == RELAY:
        return configure(settings, "relay/gw.ini", resumption=resumption)
    workers = settings.growth.workers
    keys = [f"workers = {workers}"] if workers > 1 else []  # earlier checkouts do not know the keys
    if settings.scene in OVER_HTTP2:
        keys += ["enable_http2 = true", f"http2_max_requests = {MANY}"]
    if settings.scene == CRL:
        keys.append("watch_files = on")
    gateway_keys = "\n".join(keys)
    return configure(
        settings, "gw.ini", gateway_keys=gateway_keys, resumption=resumption, **_further_sections(settings)
    )


MANY = 1_000_000_000
"""Requests of one connection: nginx closes none during a run, either."""

MAX_CHAINS = 100
"""That one profile may name."""


def _further_sections(settings: Settings) -> dict[str, object]:
    """Chains and sites that the job does not need; chains beyond those of one profile are those of another site's."""
    growth = settings.growth
    names = [f"other-{number}" for number in range(len(growth.chains))]
    sections = [
        f"[trusted_client_certificate {name}]\nfile = {file}\n" for name, file in zip(names, growth.chains, strict=True)
    ]
    ours, others = names[: MAX_CHAINS - 1], names[MAX_CHAINS - 1 :]
    sites = [(f"site-{number}", "devices") for number in range(growth.sites)]
    if others:
        sections.append(f"[ssl_profile partners]\ntrusted_client_certificates = {', '.join(others[:MAX_CHAINS])}\n")
        sites.append(("partners", "partners"))
    sections += [_site(settings, name, profile, 1000 + number) for number, (name, profile) in enumerate(sites)]
    return {"more_chains": "".join(f", {name}" for name in ours), "further_sections": "\n".join(sections)}


def _site(settings: Settings, name: str, profile: str, priority: int) -> str:
    return f"""
[http_listener {name}]
address = 127.0.0.1
port = {settings.port}
protocol = Https
host_names = *.{name}.test
ssl_certificate = site
ssl_profile = {profile}

[request_routing_rule {name}]
priority = {priority}
rule_type = Basic
http_listener = {name}
backend_address_pool = app
backend_http_settings = plain
"""


def apache(binary: str) -> Peer:
    """The Apache at ``binary``: one process with threads, and its parent, which does nothing."""
    about = output_of(binary, "-v")
    library = output_of("ldd", "/usr/lib/apache2/modules/mod_ssl.so")
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    return Peer(
        name="apache2",
        log_backlog=16,  # a block of 4 KB
        versions={"apache": search(r"Apache/(\S+)", about), "openssl": _openssl_of(library)},
        scenes=ALL_SCENES - {RELAY, *OVER_HTTP2},
        command=lambda settings: [
            *(binary, "-D", "FOREGROUND", "-f", configure(settings, "apache2.conf", account=account)),
        ],
    )


def _openssl_of(libraries: str) -> str:
    """The version of the libcrypto that a program was linked with, by the words in it."""
    path = search(r"libcrypto\S* => (\S+)", libraries)
    try:
        found = re.search(rb"OpenSSL \d+\.\d+\.\d+[^\0]{0,30}", Path(path).read_bytes())
    except OSError:
        return "unknown"
    return found[0].decode("ascii", "replace") if found else "unknown"


def stunnel(binary: str) -> Peer:
    """The stunnel at ``binary``, which relays only, with a thread for each session."""
    about = output_of(binary, "-version")
    return Peer(
        name="stunnel4",
        versions={"stunnel": search(r"stunnel (\S+)", about), "openssl": search(r"(OpenSSL \S+)", about)},
        scenes=frozenset({RELAY}),
        command=lambda settings: [binary, configure(settings, "relay/stunnel.conf")],
        measures_memory=False,
    )

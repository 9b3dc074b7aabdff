"""A TLS gateway on Twisted that checks client certificates, in the words of Azure Application Gateway.

One stream, two banks: the core (`agwtwisted.core`) decides, the shell moves bytes.

| stage | shell | asks the core | hands on |
| --- | --- | --- | --- |
| accept | `listener`, `ports`, `proxied` | `proxy_protocol` | connection |
| handshake, verify | `tls`, `contexts` | `verification`, `policies` | certificates and `Verdict` |
| verdict | `gate` | `verdicts` | `Peer` |
| read | `connections`, `frontend` | `messages` | `RequestHead` and body |
| route, rewrite | `exchange` | `decisions`, `routing`, `rewriting`, `forwarding` | rewritten head |
| forward | `attempts`, `upstream`, `streaming` | `balancing` | `ResponseHead` and body |
| or relay | `relay_port`, `relay` | `announcing` | bytes both ways |
| log | `access_log` | `records`, `session_records` | one JSON line |
"""

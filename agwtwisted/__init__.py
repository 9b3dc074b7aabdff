"""A TLS gateway on Twisted that checks client certificates, in the words of Azure Application Gateway.

One stream, two banks: the core (`agwtwisted.core`) decides, the shell moves bytes.

| stage | shell | asks the core | hands on |
| --- | --- | --- | --- |
| accept | `listener`, `connections` | `config` | connection |
| handshake, verify | `tls`, `contexts` | `verification`, `policies` | certificates and `Verdict` |
| verdict | `gate` | `verdicts` | `Peer` |
| read | `frontend` | `messages` | `RequestHead` and body |
| route, rewrite | `exchange` | `routing`, `forwarding`, `variables` | rewritten head |
| forward | `upstream`, `streaming` | `balancing` | `ResponseHead` and body |
| log | `access_log` | `records` | one JSON line |
"""

"""TLS on both sides: contexts, handshakes and records, over the few functions of OpenSSL that the bindings expose."""

"""TLS parameters: policies, extensions, what a ClientHello says."""

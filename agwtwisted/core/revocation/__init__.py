"""Which OCSP responses are accepted, where OCSP requests may go, and what follows for the client."""

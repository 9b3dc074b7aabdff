"""Which OCSP responses and CRLs are accepted, where they are asked for, and what follows for the client."""

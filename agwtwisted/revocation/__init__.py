"""Whether a certificate is revoked: what is known, whom to ask, how often, and where answers are stored."""

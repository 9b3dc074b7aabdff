"""Whether a certificate is accepted: chains, rules, policies, and the verdict."""

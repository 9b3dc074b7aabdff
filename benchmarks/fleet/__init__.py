"""Revocation on a fleet: many gateways and devices before one responder, simulated; see docs/revocation-at-scale.md."""

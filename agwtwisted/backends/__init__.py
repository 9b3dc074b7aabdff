"""Servers: pools, connections to them, their names and addresses, and their health."""

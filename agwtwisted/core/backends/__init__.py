"""Selecting a server: load balancing, affinity, health, and name servers."""

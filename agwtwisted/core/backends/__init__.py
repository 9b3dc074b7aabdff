"""Which server is asked: balancing, affinity, health, and where its name is resolved."""

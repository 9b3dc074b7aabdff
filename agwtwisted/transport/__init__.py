"""Sockets, connections and time: what every stage stands on, and the reactor under it."""

"""Ports: who may connect, in which order, and from which address by a PROXY header."""

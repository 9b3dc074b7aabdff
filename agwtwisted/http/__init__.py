"""HTTP on the connections of a port, whichever version: the port of HTTP listeners, and the session of a connection."""

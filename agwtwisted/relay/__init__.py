"""L4 listeners: bytes both ways between a client that was let in and a server of a pool."""

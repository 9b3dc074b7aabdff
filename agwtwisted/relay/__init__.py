"""L4 listeners: bytes in both directions between an accepted client and a server of a pool."""

"""HTTP/1.1 as clients speak it: the port of an HTTP listener and the frontend that reads requests and writes
responses."""

"""HTTP/1.1 as clients speak it: the frontend that reads requests and writes responses."""

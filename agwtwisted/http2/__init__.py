"""HTTP/2 as clients speak it: the frames of a connection, its streams with one request each, and the way back."""

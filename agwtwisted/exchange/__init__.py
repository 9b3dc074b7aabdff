"""One request and its response, whatever protocol the client speaks: deciding, forwarding, answering, logging."""

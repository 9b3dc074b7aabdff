"""One request: the decision about it, and the head that the backend gets."""

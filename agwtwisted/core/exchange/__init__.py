"""What becomes of one request: the decision, and the head that the backend gets."""

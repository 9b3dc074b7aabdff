"""What the server behind an L4 listener learns of the client."""

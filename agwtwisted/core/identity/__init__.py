"""Who the client is: the value that stages hand on about it."""

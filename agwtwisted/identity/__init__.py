"""Who the client is: the gate that opens on a verdict, and the verdict's renewal during the connection."""

"""How a listener of a configuration judges given certificates, and why: what `agw explain` shows."""

"""What a gateway begins with: a first configuration, and certificates that are made on this machine."""

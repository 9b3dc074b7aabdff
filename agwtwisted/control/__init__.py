"""The control socket: HTTP over a Unix socket, by which `agw` asks a running gateway."""

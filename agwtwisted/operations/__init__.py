"""What operators see of the running gateway: the access log."""

"""The gateway to try out: throw-away certificates, a small backend, and the commands that show what it does."""

"""What decides: no reactor, no clock, no socket, no file. Time and bytes are arguments."""

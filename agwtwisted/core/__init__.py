"""The decisions: without reactor, clock, socket or file. Time and bytes are arguments."""

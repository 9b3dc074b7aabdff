"""The language of conditions and rewrites: patterns, server variables, templates, and what they do to a message."""

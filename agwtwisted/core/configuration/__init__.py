"""From the text of a configuration file to resources, or to every error in it with its line."""

"""What a section of the configuration may say: the INI syntax, kinds of section with their keys, files they name."""

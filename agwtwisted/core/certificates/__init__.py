"""The contents of a certificate, parsed from its DER; not whether it is accepted."""

"""Whether a certificate is revoked: what is known, which responders are asked, how often, and where responses are
stored.
"""

"""Texts for people: what a configuration comes to, why a certificate is accepted or refused, the reference pages."""

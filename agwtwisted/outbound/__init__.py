"""The gateway's own questions to other servers over HTTP: OCSP responders, distribution points of CRLs."""

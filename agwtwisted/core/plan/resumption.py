"""Whether the clients of a port may resume TLS sessions, and if not, why.

OpenSSL resumes a session before it knows which site a client asks for. So a session must be worth the same at every
site of its port: all have the same SSL profile, or none asks for certificates.
"""

from __future__ import annotations

from collections.abc import Sequence

from agwtwisted.core.plan.routing import AnySite


def why_not_resumed(sites: Sequence[AnySite]) -> str:
    """Why no session is resumed on a port with these sites; empty where sessions are."""
    profiles = {id(site.profile): site.profile for site in sites}
    off = [profile.name for profile in profiles.values() if profile is not None and not profile.session_resumption]
    if off:
        return f"session_resumption is off in [ssl_profile {off[0]}]"
    if len(profiles) > 1 and any(profile is not None and profile.asks for profile in profiles.values()):
        return "its listeners have different SSL profiles"
    return ""

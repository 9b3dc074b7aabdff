"""Warns where no client of a profile can be let in, since none of its roots is in its validity period."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.logger import Logger

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.tls.contexts import SiteContext
from agwtwisted.transport.clocks import WallClock


class ExpiredRoots:
    """The warning, a few times a minute for each profile, with a count of those left out.

    Args:
        limiter: says which get a line.
        wall: what certificates are judged by.
    """

    log = Logger()

    def __init__(self, limiter: LogRateLimiter, wall: WallClock) -> None:
        self._limiter = limiter
        self._wall = wall

    def refused(self, site_context: SiteContext) -> None:
        """A client of this site was refused."""
        profile, anchors = site_context.site.profile, site_context.rules.anchors
        now = datetime.fromtimestamp(self._wall.seconds(), UTC)
        if profile is None or anchors is None or anchors.has_root_at(now):
            return
        omitted = self._limiter.admit(f"[ssl_profile {profile.name}]")
        if omitted is not None:
            self.log.warn(
                "[ssl_profile {profile}] every root that it trusts has expired or is not valid yet: every client is"
                " refused ({omitted} complaints left out before)",
                profile=profile.name,
                omitted=omitted,
            )

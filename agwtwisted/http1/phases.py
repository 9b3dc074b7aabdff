"""Where a client's connection stands between its requests and their answers: what `frontend` decides by."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a connection stands."""

    IDLE = "no request is under way"
    BODY = "the body of a request comes"
    WHOLE = "the request is whole, its answer is not"
    UNFIT = "the request is malformed, and answered; nothing more is read"
    TUNNEL = "another protocol is spoken, which the gateway only carries"


# Before Python 3.12 each look at a member of an Enum costs a call.
IDLE, BODY, WHOLE, UNFIT, TUNNEL = Phase

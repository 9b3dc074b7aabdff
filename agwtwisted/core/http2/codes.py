"""The numbers of HTTP/2, under the names that RFC 9113 gives them, and those names for logs.

Plain integers: to look up a member of an Enum takes as long as a call, and every frame asks for some of them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client's connection begins with (RFC 9113 section 3.4)."""

FRAME_HEAD: Final = 9
"""Octets of a frame before its payload."""

LARGEST_STREAM: Final = (1 << 31) - 1
"""The largest stream identifier: the bit before it is reserved (RFC 9113 section 4.1)."""

LARGEST_WINDOW: Final = (1 << 31) - 1
"""The largest window, and the largest increment of one (RFC 9113 section 6.9.1)."""

LEAST_MAX_FRAME_SIZE: Final = 1 << 14
"""The payload that every endpoint takes, and that it takes unless it says otherwise."""

LARGEST_FRAME_SIZE: Final = (1 << 24) - 1
"""What the length of a frame can say at most."""

DEFAULT_WINDOW: Final = 65_535
"""The window of a connection, and of its streams unless SETTINGS say otherwise (RFC 9113 section 6.9.2)."""

# Frame types: RFC 9113 section 6; PRIORITY_UPDATE: RFC 9218 section 7.1.

FrameKind: TypeAlias = int

DATA: Final = 0x00
HEADERS: Final = 0x01
PRIORITY: Final = 0x02
RST_STREAM: Final = 0x03
SETTINGS: Final = 0x04
PUSH_PROMISE: Final = 0x05
PING: Final = 0x06
GOAWAY: Final = 0x07
WINDOW_UPDATE: Final = 0x08
CONTINUATION: Final = 0x09
PRIORITY_UPDATE: Final = 0x10

# Flags. Which of them a type knows stands with it; the others mean nothing there.

ACK: Final = 0x01  # of SETTINGS and PING
END_STREAM: Final = 0x01  # of HEADERS and DATA
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
HAS_PRIORITY: Final = 0x20

# Error codes: RFC 9113 section 7.

ErrorCode: TypeAlias = int

NO_ERROR: Final = 0x00
PROTOCOL_ERROR: Final = 0x01
INTERNAL_ERROR: Final = 0x02
FLOW_CONTROL_ERROR: Final = 0x03
SETTINGS_TIMEOUT: Final = 0x04
STREAM_CLOSED: Final = 0x05
FRAME_SIZE_ERROR: Final = 0x06
REFUSED_STREAM: Final = 0x07
CANCEL: Final = 0x08
COMPRESSION_ERROR: Final = 0x09
CONNECT_ERROR: Final = 0x0A
ENHANCE_YOUR_CALM: Final = 0x0B
INADEQUATE_SECURITY: Final = 0x0C
HTTP_1_1_REQUIRED: Final = 0x0D

# Settings: RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1.

SettingPair: TypeAlias = tuple[int, int]
"""Identifier and value of one setting."""

HEADER_TABLE_SIZE: Final = 0x01
ENABLE_PUSH: Final = 0x02
MAX_CONCURRENT_STREAMS: Final = 0x03
INITIAL_WINDOW_SIZE: Final = 0x04
MAX_FRAME_SIZE: Final = 0x05
MAX_HEADER_LIST_SIZE: Final = 0x06
ENABLE_CONNECT_PROTOCOL: Final = 0x08
NO_RFC7540_PRIORITIES: Final = 0x09

_ERRORS: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

_KINDS: Final = {
    DATA: "DATA",
    HEADERS: "HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PUSH_PROMISE: "PUSH_PROMISE",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
    PRIORITY_UPDATE: "PRIORITY_UPDATE",
}


def error_name(code: ErrorCode) -> str:
    """The name of an error code; of one that RFC 9113 does not know, its number in hexadecimal."""
    return _ERRORS[code] if 0 <= code < len(_ERRORS) else f"0x{code:x}"


def kind_name(kind: FrameKind) -> str:
    """The name of a frame type; of one that is not known here, its number in hexadecimal."""
    return _KINDS.get(kind, f"0x{kind:x}")

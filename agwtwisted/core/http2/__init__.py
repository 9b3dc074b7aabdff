"""What the frames and fields of HTTP/2 say, and what may be sent when: RFC 9113."""

"""HTTP/1.1 messages as bytes and values: heads, bodies, pages, paths and host names."""

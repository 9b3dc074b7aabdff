/* HTTP/2 for load.c: as much of RFC 9113 and RFC 7541 as a client needs that knows what will be answered.

   Requests are written as libraries do it: fields that repeat are in the dynamic table, :path is a literal. Of an answer's fields only :status is read,
   which comes first (RFC 9113 section 8.3). Included by load.c behind what it uses. */
#define FRAME_HEAD 9
#define MAX_FRAME 16384
#define WINDOW 0x3fffffff /* of our side: the generator itself never holds a server up */
#define MAX_STREAMS 100
#define TO_SEND (1024 * 1024)

enum frame { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 32 };

struct stream {
    uint32_t id;        /* 0: free */
    int warming, held;  /* the connection's first GET; the body waits until the run begins */
    int status;
    uint64_t began, received, sent;
    int64_t window;     /* of the server, for the body */
};

struct http2 {
    uint32_t next_id;
    int busy, known;            /* streams under way; the fields of a request are in the server's table */
    int64_t window, stream_window;
    uint64_t consumed;          /* since the last WINDOW_UPDATE */
    int acknowledged;           /* the last PING, that is all before it */
    size_t held, queued, left;  /* bytes in `in`; bytes in `out`, and how many of these have left */
    struct stream streams[MAX_STREAMS];
    unsigned char in[FRAME_HEAD + MAX_FRAME + SPAN], out[];
};

static void put_number(unsigned char *at, uint32_t number) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(number >> (24 - 8 * i));
}

static uint32_t number_at(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Room for a frame's payload behind what is queued; NULL: the server does not read, or there is no room. */
static unsigned char *frame(struct http2 *h, size_t size, enum frame kind, int flags, uint32_t stream) {
    if (h->queued + FRAME_HEAD + size > TO_SEND) return NULL;
    unsigned char *at = h->out + h->queued;
    put_number(at, (uint32_t)size << 8 | kind);
    at[4] = (unsigned char)flags;
    put_number(at + 5, stream);
    h->queued += FRAME_HEAD + size;
    return at + FRAME_HEAD;
}

static void frame_with_number(struct http2 *h, enum frame kind, uint32_t stream, uint32_t number) {
    unsigned char *at = frame(h, 4, kind, 0, stream);
    if (at) put_number(at, number);
}

/* A connection failed, and with it all that was under way on it. */
static void broken_http2(struct connection *c, enum error error) {
    struct http2 *h = c->h2;
    int lost = 0;
    for (int i = 0; i < options.streams; i++)
        if (h->streams[i].id) lost++, c->status = h->streams[i].status, c->received = h->streams[i].received;
    broken(c, error);
    if (lost > 1) errors[error] += lost - 1, finished += lost - 1;
}

static int flush_http2(struct connection *c) {
    struct http2 *h = c->h2;
    while (h->left < h->queued) {
        ssize_t sent = put(c, h->out + h->left, h->queued - h->left);
        if (sent < 0) return broken_http2(c, ENDED), -1;
        if (sent == 0) return want(c, EPOLLIN | EPOLLOUT), 0;
        h->left += (size_t)sent;
        bytes_sent += (uint64_t)sent;
    }
    h->left = h->queued = 0;
    want(c, EPOLLIN);
    return 0;
}

/* The connection's beginning (RFC 9113 section 3.4); the server's own is read later. */
static void greet(struct connection *c) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct http2 *h = c->h2;
    memset(h, 0, offsetof(struct http2, in));
    h->next_id = 1;
    h->window = h->stream_window = 65535;
    memcpy(h->out, preface, sizeof preface - 1);
    h->queued = sizeof preface - 1;
    unsigned char *at = frame(h, 12, SETTINGS, 0, 0);
    memcpy(at, "\0\2\0\0\0\0\0\4", 8); /* ENABLE_PUSH 0, INITIAL_WINDOW_SIZE */
    put_number(at + 8, WINDOW);
    frame_with_number(h, WINDOW_UPDATE, 0, WINDOW - 65535);
}

static size_t field(unsigned char *to, int name, const char *value) {
    size_t size = strlen(value); /* less than 127, as its one octet of length has it */
    to[0] = (unsigned char)name;
    to[1] = (unsigned char)size;
    memcpy(to + 2, value, size);
    return size + 2;
}

/* A request's fields; from the first one on the table has :authority, user-agent and accept, the last one first. */
static size_t request_block(unsigned char *to, struct http2 *h, int post, const char *path, const char *length) {
    size_t size = 0;
    to[size++] = post ? 0x83 : 0x82;
    to[size++] = 0x87;
    size += field(to + size, 0x04, path);
    if (h->known) {
        memcpy(to + size, "\xc0\xbf\xbe", 3);
        size += 3;
    } else {
        size += field(to + size, 0x41, options.host);
        size += field(to + size, 0x7a, "load");
        size += field(to + size, 0x53, "*/*");
        h->known = 1;
    }
    if (!post) return size;
    to[size++] = 0x0f; /* content-length is 28, which is more than four bits hold */
    return size + field(to + size, 0x0d, length);
}

/* Sends of the bodies what the windows let through. */
static void send_bodies(struct connection *c) {
    struct http2 *h = c->h2;
    for (int i = 0; upload && i < options.streams; i++) {
        struct stream *s = &h->streams[i];
        while (s->id && !s->warming && !s->held && s->sent < (uint64_t)options.size) {
            int64_t most = (int64_t)((uint64_t)options.size - s->sent);
            if (most > MAX_FRAME) most = MAX_FRAME;
            if (most > h->window) most = h->window;
            if (most > s->window) most = s->window;
            if (most <= 0) break;
            int end = s->sent + (uint64_t)most == (uint64_t)options.size;
            unsigned char *at = frame(h, (size_t)most, DATA, end ? END_STREAM : 0, s->id);
            if (!at) return;
            memcpy(at, pattern + s->sent % PERIOD, (size_t)most);
            s->sent += (uint64_t)most;
            s->window -= most;
            h->window -= most;
        }
    }
}

static void begin_stream(struct connection *c, struct stream *s, uint64_t when, int warming, int held) {
    struct http2 *h = c->h2;
    unsigned char block[1024];
    char length[32], path[160];
    int post = upload && !warming;
    sprintf(length, "%lld", options.size);
    snprintf(path, sizeof path, options.vary ? "%.94s?n=%lld" : "%.126s", options.path, begun);
    *s = (struct stream){.id = h->next_id, .warming = warming, .held = held, .began = when, .window = h->stream_window};
    h->next_id += 2;
    h->busy++;
    size_t size = request_block(block, h, post, warming ? "/1k" : path, length);
    unsigned char *at = frame(h, size, HEADERS, END_HEADERS | (post ? 0 : END_STREAM), s->id);
    if (at) memcpy(at, block, size);
    send_bodies(c);
}

static uint64_t expected_of(const struct stream *s, char *number) {
    if (s->warming) return 1024;
    return upload ? (uint64_t)sprintf(number, "%lld", options.size) : (uint64_t)options.expect;
}

/* The answer is whole: 0, or an error. */
static int end_stream(struct connection *c, struct stream *s) {
    char number[32];
    if (s->received != expected_of(s, number)) return LENGTH;
    if (!s->warming) {
        if (beginnings && !learning) beginnings[measured] = s->began;
        if (!learning) latencies[measured++] = (uint32_t)((nanoseconds() - s->began) / 1000), statuses[200]++;
        finished++;
    } else {
        standing++;
        c->warm = 1;
    }
    s->id = 0;
    c->h2->busy--;
    return -1;
}

static struct stream *stream_of(struct http2 *h, uint32_t id) {
    for (int i = 0; id && i < options.streams; i++)
        if (h->streams[i].id == id) return &h->streams[i];
    return NULL;
}

/* -1: go on; else an error of the connection. */
static int take_data(struct connection *c, struct stream *s, const unsigned char *bytes, size_t size, int flags) {
    struct http2 *h = c->h2;
    char number[32];
    h->consumed += size;
    if (h->consumed > WINDOW / 2) {
        frame_with_number(h, WINDOW_UPDATE, 0, (uint32_t)h->consumed);
        h->consumed = 0;
    }
    if (!s) return SURPLUS;
    if (flags & PADDED) {
        if (!size || (size_t)bytes[0] + 1 > size) return LENGTH;
        size -= (size_t)bytes[0] + 1, bytes++;
    }
    uint64_t length = expected_of(s, number);
    if (s->received + size > length) return SURPLUS;
    int right = upload && !s->warming ? memcmp(number + s->received, bytes, size) == 0 : matches_pattern(bytes, size, s->received);
    if (!right) return BODY;
    s->received += size;
    return flags & END_STREAM ? end_stream(c, s) : -1;
}

static int status_of(const unsigned char *block, size_t size) {
    static const int known[] = {200, 204, 206, 304, 400, 404, 500};
    size_t at = 0;
    for (; at < size && (block[at] & 0xe0) == 0x20; at++) /* a change of the table's size */
        if ((block[at] & 0x1f) == 0x1f) while (++at < size && block[at] & 0x80) {}
    if (at < size && block[at] >= 0x88 && block[at] <= 0x8e) return known[block[at] - 0x88];
    if (at + 4 < size && (block[at] == 0x48 || block[at] == 0x08) && block[at + 1] == 3)
        return atoi((char[]){(char)block[at + 2], (char)block[at + 3], (char)block[at + 4], 0}) % 600;
    return 0; /* a literal in Huffman's code: none of those that are expected */
}

static int take_headers(struct connection *c, struct stream *s, const unsigned char *bytes, size_t size, int flags) {
    if (!s || !(flags & END_HEADERS)) return SURPLUS;
    if (flags & PADDED) bytes++, size--;
    if (flags & WITH_PRIORITY) bytes += 5, size -= 5;
    if (!s->status) { /* else trailers */
        s->status = status_of(bytes, size);
        if (s->status != 200) return statuses[s->status]++, STATUS;
    }
    return flags & END_STREAM ? end_stream(c, s) : -1;
}

static int take_settings(struct http2 *h, const unsigned char *bytes, size_t size, int flags) {
    if (flags & ACK) return -1;
    for (; size >= 6; bytes += 6, size -= 6) {
        int name = bytes[0] << 8 | bytes[1];
        uint32_t value = number_at(bytes + 2);
        if (name == 1 && value < 4096) return TLS; /* our table is the usual one */
        if (name == 4) {
            for (int i = 0; i < options.streams; i++) h->streams[i].window += (int64_t)value - h->stream_window;
            h->stream_window = value;
        }
    }
    frame(h, 0, SETTINGS, ACK, 0);
    return -1;
}

static int take_frame(struct connection *c, const unsigned char *head, size_t size) {
    struct http2 *h = c->h2;
    const unsigned char *bytes = head + FRAME_HEAD;
    uint32_t id = number_at(head + 5) & 0x7fffffff;
    struct stream *s = stream_of(h, id);
    switch (head[3]) {
    case DATA: return take_data(c, s, bytes, size, head[4]);
    case HEADERS: return take_headers(c, s, bytes, size, head[4]);
    case SETTINGS: return take_settings(h, bytes, size, head[4]);
    case WINDOW_UPDATE:
        if (!id) h->window += number_at(bytes) & 0x7fffffff;
        else if (s) s->window += number_at(bytes) & 0x7fffffff;
        return -1;
    case PING:
        if (head[4] & ACK) h->acknowledged = 1;
        else {
            unsigned char *at = frame(h, 8, PING, ACK, 0);
            if (at) memcpy(at, bytes, 8);
        }
        return -1;
    case RST_STREAM: return s ? ENDED : -1;
    case GOAWAY: return ENDED;
    case CONTINUATION: return SURPLUS;
    default: return -1;
    }
}

static void read_http2(struct connection *c) {
    struct http2 *h = c->h2;
    for (int reads = 0; reads < 16 || SSL_pending(c->ssl); reads++) {
        ssize_t got = get(c, h->in + h->held, sizeof h->in - h->held);
        if (got < 0) broken_http2(c, ENDED);
        if (got < 0) return;
        if (got == 0) break;
        bytes_received += (uint64_t)got;
        h->held += (size_t)got;
        size_t at = 0;
        while (h->held - at >= FRAME_HEAD) {
            size_t size = number_at(h->in + at) >> 8;
            if (size > MAX_FRAME) {
                broken_http2(c, LENGTH);
                return;
            }
            if (h->held - at < FRAME_HEAD + size) break;
            int error = take_frame(c, h->in + at, size);
            if (error >= 0) {
                broken_http2(c, error);
                return;
            }
            at += FRAME_HEAD + size;
        }
        memmove(h->in, h->in + at, h->held -= at);
    }
    send_bodies(c);
    if (h->queued && flush_http2(c) < 0) return;
    if (handshakes && !h->busy) close_connection(c);
}

static void drive_http2(struct connection *c, uint32_t events) {
    if (events & EPOLLOUT && c->h2->queued) {
        if (flush_http2(c) < 0) return;
        send_bodies(c);
        if (c->h2->queued && flush_http2(c) < 0) return;
    }
    if (c->state == FREE) read_http2(c);
}

/* Begins the first GET of a connection, which is the only one where each operation has a connection. */
static void begin_http2(struct connection *c) {
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(c->ssl, &chosen, &length);
    if (length != 2 || memcmp(chosen, "h2", 2)) {
        broken(c, TLS);
        return;
    }
    greet(c);
    c->state = FREE;
    begin_stream(c, &c->h2->streams[0], c->began, !handshakes, 0);
    want(c, EPOLLIN);
    flush_http2(c);
}

static struct stream *free_stream(struct connection *c) {
    struct http2 *h = c->h2;
    if (c->state != FREE || !c->warm || h->busy == options.streams || h->queued > TO_SEND / 2) return NULL;
    for (int i = 0; i < options.streams; i++)
        if (!h->streams[i].id) return &h->streams[i];
    return NULL;
}

static void ping(struct connection *c) {
    unsigned char *at = frame(c->h2, 8, PING, 0, 0);
    if (at) memset(at, 0, 8);
    c->h2->acknowledged = 0;
    flush_http2(c);
}

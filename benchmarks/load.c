/* A load generator for loopback: one thread, epoll, OpenSSL. Bounded in operations and in time; every answer is checked.

   load MODE --connect 127.0.0.1:PORT [--name value]…

   MODE  handshake   an operation is: connect, full TLS handshake, one GET, close; never resumed
         resume      the same, but with the session of an earlier connection; one that is not resumed is an error
         return      the same, but one that is not resumed is counted only
         keepalive   an operation is a GET on one of the connections, which stay open
         download    the same as keepalive (a big --path, say --path /100m --expect 104857600)
         upload      an operation is a POST of --size bytes with Content-Length; the answer is that number in decimal
         idle        the connections are opened and held; then one GET on each shows that it still stands
         waiting     HTTP/2: POSTs of --size bytes are begun on all streams and held without their bodies; then each gets its body, and is answered

   --path /1k --expect 1024   what to GET and how many bytes of the pattern the answer must have
   --vary 0                   1: every request has another query behind its path
   --count 1000               operations in all
   --concurrency 16           connections at a time
   --seconds 60               the whole run; what is not done by then is an error ("late")
   --rate 0                   operations a second, begun on schedule whether answered or not; latency counts from the schedule. 0: as fast as it goes
   --tls 1 --cert F --key F --ca F --host NAME --min 1.2|1.3 --max 1.2|1.3
   --timeline FILE            at the end: a line for each operation that went well, when it began (CLOCK_MONOTONIC) and how long it took, in microseconds
   --http 1                   or 2, over TLS: the count is of requests on --streams 1 to 100 streams of each connection; with handshake,
                              resume and return there is one
   --identities 0 --first 0   with N, handshakes take turns with N certificates: files F.<n>, n from --first, all with the same key

   Except for handshake, resume and return the connections are opened first, each with a GET of /1k. Then the program prints "ready" and waits for a line
   (or the end) on standard input, works, prints one line of JSON, and holds the connections until standard input ends.
   Exit status: 0 when every operation was answered as it should be, 1 otherwise, 2 for wrong usage. */
#define _GNU_SOURCE
#include "pattern.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_LIMIT 16384
#define MAX_COUNT 10000000
#define MAX_CONCURRENCY 10000
#define OPENING 32 /* connections under way at once while the run is prepared; with idle, GETs under way at its end */
#define MAX_SESSIONS 256
#define MAX_IDENTITIES 20000

enum state { CLOSED, CONNECTING, SHAKING, WRITING, READING, FREE };
enum error { CONNECT, TLS, VERIFY, RESUMED, FULL, ENDED, STATUS, LENGTH, BODY, SURPLUS, LATE, ERRORS };
static const char *const error_names[ERRORS] = {"connect", "tls", "verify", "resumed", "full", "ended", "status",
                                                "length", "body", "surplus", "late"};

struct connection {
    int fd;
    SSL *ssl;
    enum state state;
    uint32_t interest;
    int warm;                         /* had its first answer, which is not counted */
    uint64_t began, sent;             /* nanoseconds; bytes of the request, head included */
    char head[HEAD_LIMIT + 1];
    size_t held;
    int head_done, status;
    long long length;                 /* of the answer's body */
    uint64_t received;                /* of the answer's body */
    char varied[640];                 /* with --vary: the request */
    size_t varied_head;
    struct http2 *h2;                 /* with --http 2; what is above from `began` on belongs to HTTP/1.1 */
};

static struct options {
    const char *mode, *connect, *path, *cert, *key, *ca, *host, *min, *max, *timeline;
    long long expect, count, concurrency, size, identities, first;
    double seconds, rate;
    int tls, http, streams, vary;
} options = {.path = "/1k", .host = "localhost", .min = "1.2", .max = "1.3", .expect = 1024, .count = 1000,
             .concurrency = 16, .seconds = 60, .http = 1, .streams = 1};

static int poller, handshakes, resume, returning, upload, idle, waiting;
static SSL_CTX *context, **identities; /* `identities` are copies of the context with other certificates */
static SSL_SESSION *sessions[MAX_SESSIONS];
static int held_sessions;
static struct sockaddr_in target;
static struct connection *connections;
static char request[1024], warm_request[1024], incoming[SPAN], tls_words[128];
static size_t request_head, warm_head;

static long long begun, finished;    /* operations; finished ones may have failed */
static long long standing;           /* connections that had their first answer and are open */
static long long errors[ERRORS], statuses[600];
static uint64_t bytes_received, bytes_sent, run_began, deadline;
static uint32_t *latencies;          /* microseconds of the operations that went well */
static uint64_t *beginnings;         /* nanoseconds at which these began; only for the timeline */
static long long measured, resumed;
static int told;                     /* error explanations printed */
static int learning;                 /* sessions are collected with full handshakes, which do not count */

static void usage(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

static void fail(const char *what) {
    perror(what);
    exit(2);
}

/* -- one connection ------------------------------------------------------------------------------------------------------- */

static void want(struct connection *c, uint32_t interest) {
    if (c->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = c};
    if (epoll_ctl(poller, c->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
    c->interest = interest;
}

static void close_connection(struct connection *c) {
    if (c->ssl) {
        SSL_shutdown(c->ssl); /* one close_notify, not waited for */
        SSL_free(c->ssl);
    }
    if (c->fd >= 0) close(c->fd);
    ERR_clear_error();
    c->ssl = NULL;
    c->fd = -1;
    c->interest = 0;
    standing -= c->warm;
    c->warm = 0;
    c->state = CLOSED;
}

static void broken(struct connection *c, enum error error) {
    if (told++ < 3) {
        char reason[256] = "";
        unsigned long code = ERR_peek_error();
        if (code) ERR_error_string_n(code, reason, sizeof reason);
        fprintf(stderr, "load: %s (status %d, length %lld, received %llu of the body) %s\n", error_names[error], c->status,
                c->length, (unsigned long long)c->received, reason);
    }
    errors[error]++;
    finished++;
    close_connection(c);
}

static void begin_request(struct connection *c) {
    c->state = WRITING;
    c->sent = c->held = c->received = 0;
    c->head_done = c->status = 0;
    c->length = 0;
}

static void open_connection(struct connection *c) {
    begin_request(c);
    c->state = CONNECTING;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) {
        broken(c, CONNECT);
        return;
    }
    want(c, EPOLLOUT);
}

/* A session for the next connection. Those of TLS 1.3 are used once; those of TLS 1.2 again and again, since their server gives no new ones. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    if (!resume || held_sessions == MAX_SESSIONS) return 0;
    sessions[held_sessions++] = session;
    return 1;
}

static SSL *new_ssl(void) {
    static long long turn;
    SSL_CTX *with = options.identities ? identities[turn++ % options.identities] : context;
    SSL *ssl = SSL_new(with);
    if (!ssl) usage("SSL_new failed");
    if (resume && held_sessions) {
        static int next;
        int once = SSL_CTX_get_max_proto_version(with) > TLS1_2_VERSION, at = once ? --held_sessions : next++ % held_sessions;
        SSL_set_session(ssl, sessions[at]);
        if (once) SSL_SESSION_free(sessions[at]);
    }
    return ssl;
}

static void on_connected(struct connection *c) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        broken(c, CONNECT);
        return;
    }
    c->state = options.tls ? SHAKING : WRITING;
    if (!options.tls) return;
    c->ssl = new_ssl();
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, options.host);
    SSL_set1_host(c->ssl, options.host);
    SSL_set_connect_state(c->ssl);
}

/* What OpenSSL waits for after a call that returned `result`; 0: the connection is broken. */
static uint32_t interest_after(struct connection *c, int result) {
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ: return EPOLLIN;
    case SSL_ERROR_WANT_WRITE: return EPOLLOUT;
    default: return 0;
    }
}

/* 1: the handshake is done. */
static int shake(struct connection *c) {
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result != 1) {
        uint32_t interest = interest_after(c, result);
        if (interest) want(c, interest);
        else broken(c, SSL_get_verify_result(c->ssl) == X509_V_OK ? TLS : VERIFY);
        return 0;
    }
    int reused = SSL_session_reused(c->ssl);
    if (reused != (resume && !learning) && !(returning && !learning)) {
        broken(c, resume ? FULL : RESUMED);
        return 0;
    }
    resumed += reused;
    if (!tls_words[0])
        snprintf(tls_words, sizeof tls_words, "%s %s %s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl),
                 OBJ_nid2sn(SSL_get_negotiated_group(c->ssl) & 0xffff));
    c->state = WRITING;
    return 1;
}

/* Positive: bytes moved; 0: not now, the interest is set; -1: broken (the caller says so). */
static ssize_t put(struct connection *c, const void *bytes, size_t size) {
    if (!c->ssl) {
        ssize_t sent = send(c->fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent < 0) want(c, EPOLLOUT);
        return sent < 0 ? 0 : sent;
    }
    ERR_clear_error();
    int sent = SSL_write(c->ssl, bytes, (int)size);
    if (sent > 0) return sent;
    uint32_t interest = interest_after(c, sent);
    if (!interest) return -1;
    want(c, interest);
    return 0;
}

static ssize_t get(struct connection *c, void *bytes, size_t size) {
    if (!c->ssl) {
        ssize_t got = recv(c->fd, bytes, size, 0);
        if (got < 0 && errno == EAGAIN) {
            want(c, EPOLLIN);
            return 0;
        }
        return got <= 0 ? -1 : got;
    }
    ERR_clear_error();
    int got = SSL_read(c->ssl, bytes, (int)size);
    if (got > 0) return got;
    uint32_t interest = interest_after(c, got);
    if (!interest) return -1;
    want(c, interest);
    return 0;
}

/* 1: the whole request is sent. An answer before its end is found afterwards, by its status or by the closed connection. */
static int write_request(struct connection *c) {
    int warming = !c->warm && !handshakes;
    const char *head = warming ? warm_request : options.vary ? c->varied : request;
    uint64_t head_size = warming ? warm_head : options.vary ? c->varied_head : request_head;
    uint64_t size = head_size + (upload && !warming ? (uint64_t)options.size : 0);
    while (c->sent < size) {
        ssize_t sent;
        if (c->sent < head_size) {
            sent = put(c, head + c->sent, head_size - c->sent);
        } else {
            uint64_t left = size - c->sent;
            sent = put(c, pattern + (c->sent - head_size) % PERIOD, left < SPAN ? left : SPAN);
        }
        if (sent < 0) broken(c, ENDED);
        if (sent <= 0) return 0;
        c->sent += (uint64_t)sent;
        bytes_sent += (uint64_t)sent;
    }
    c->state = READING;
    return 1;
}

/* -- answers -------------------------------------------------------------------------------------------------------------- */

static void done(struct connection *c) {
    if (c->warm || handshakes) {
        if (beginnings && !learning) beginnings[measured] = c->began;
        if (!learning) latencies[measured++] = (uint32_t)((nanoseconds() - c->began) / 1000), statuses[c->status]++;
        finished++;
    }
    if (handshakes) {
        close_connection(c);
        return;
    }
    standing += !c->warm;
    c->warm = 1;
    c->state = FREE;
    want(c, EPOLLIN);
}

/* Reads status and length of a whole head; 0: fine. */
static int read_head(struct connection *c) {
    int chunked = 0;
    if (sscanf(c->head, "HTTP/1.1 %3d", &c->status) != 1 || c->status < 100 || c->status > 599) return -1;
    c->length = -1;
    for (char *line = strstr(c->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0) c->length = strtoll(line + 17, NULL, 10);
        if (strncasecmp(line + 2, "Transfer-Encoding:", 18) == 0) chunked = 1;
    }
    return c->length < 0 || chunked ? -1 : 0;
}

/* Whether the part of the body that just arrived is what it should be. */
static int body_is_right(struct connection *c, const char *bytes, size_t size) {
    if (!upload || !c->warm) return matches_pattern(bytes, size, c->received);
    char number[32];
    sprintf(number, "%lld", options.size);
    return memcmp(number + c->received, bytes, size) == 0;
}

static long long expected_length(struct connection *c) {
    if (!c->warm && !handshakes) return 1024;
    return upload ? snprintf(NULL, 0, "%lld", options.size) : options.expect;
}

/* 1: the answer is complete and right; 0: read on; -1: it was wrong and the connection is closed. */
static int take(struct connection *c, const char *bytes, size_t size) {
    if (!c->head_done) {
        size_t part = size < HEAD_LIMIT - c->held ? size : HEAD_LIMIT - c->held, before = c->held;
        memcpy(c->head + c->held, bytes, part);
        c->held += part;
        c->head[c->held] = 0;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end && c->held < HEAD_LIMIT) return 0;
        if (!end || read_head(c) < 0) return broken(c, LENGTH), -1;
        if (c->status != 200) return statuses[c->status]++, broken(c, STATUS), -1;
        if (c->length != expected_length(c)) return broken(c, LENGTH), -1;
        c->head_done = 1;
        size_t head = (size_t)(end - c->head) + 4 - before;
        bytes += head;
        size -= head;
    }
    if (c->received + size > (uint64_t)c->length) return broken(c, SURPLUS), -1;
    if (!body_is_right(c, bytes, size)) return broken(c, BODY), -1;
    c->received += size;
    return c->received == (uint64_t)c->length;
}

static void read_answer(struct connection *c) {
    /* At most a few reads before the others have their turn: epoll comes back as long as the socket has more. A record that
       OpenSSL holds decrypted would not be reported, so those are always taken. */
    for (int reads = 0; reads < 16 || (c->ssl && SSL_pending(c->ssl)); reads++) {
        ssize_t size = get(c, incoming, sizeof incoming);
        if (size < 0) broken(c, ENDED);
        if (size <= 0) return;
        bytes_received += (uint64_t)size;
        int state = take(c, incoming, (size_t)size);
        if (state > 0) done(c);
        if (state) return;
    }
}

/* Between requests only TLS may speak (session tickets, alerts); bytes of an answer are one too many. */
static void on_idle_input(struct connection *c) {
    char byte;
    ssize_t size = get(c, &byte, 1);
    if (size != 0) broken(c, size < 0 ? ENDED : SURPLUS);
}

#include "load_http2.h"

static void drive(struct connection *c, uint32_t events) {
    if (c->state == CONNECTING) on_connected(c);
    if (c->state == SHAKING && !shake(c)) return;
    if (c->h2) {
        if (c->state == WRITING) begin_http2(c);
        else drive_http2(c, events);
        return;
    }
    if (c->state == WRITING) {
        if (write_request(c)) want(c, EPOLLIN);
    } else if (c->state == READING) read_answer(c);
    else if (c->state == FREE && events) on_idle_input(c);
}

static size_t make_request(char *text, size_t room, const char *first_line, const char *length) {
    int size = snprintf(text, room, "%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n%s\r\n", first_line, options.host, length);
    if (size >= (int)room) usage("--path or --host is too long");
    return (size_t)size;
}

static size_t own_request(char *text, size_t room, const char *query) {
    char first_line[512], length[64] = "";
    snprintf(first_line, sizeof first_line, "%s %s%s", upload ? "POST" : "GET", options.path, query);
    if (upload) sprintf(length, "Content-Length: %lld\r\n", options.size);
    return make_request(text, room, first_line, length);
}

static void vary(struct connection *c) {
    char query[32];
    sprintf(query, "?n=%lld", begun);
    c->varied_head = own_request(c->varied, sizeof c->varied, query);
}

/* -- the run -------------------------------------------------------------------------------------------------------------- */

static void begin_operation(struct connection *c, uint64_t when) {
    begun++;
    c->began = when;
    if (options.vary) vary(c);
    if (c->state == CLOSED) {
        open_connection(c);
        return;
    }
    begin_request(c);
    drive(c, 0);
}

static uint64_t next_due(void) {
    return run_began + (uint64_t)((double)begun * 1e9 / options.rate);
}

/* How long to wait for events, at most: until the next operation is due, and for no more than a tenth of a second. */
static uint64_t patience(void) {
    uint64_t now = nanoseconds(), longest = 100000000;
    if (options.rate <= 0 || begun == options.count) return longest;
    uint64_t due = next_due();
    /* What is due but did not begin found no free connection: an event will free one. */
    return due <= now || due - now > longest ? longest : due - now;
}

/* The same on streams: a few on each connection in its turn, which leave together. */
static void begin_due_streams(uint64_t now) {
    for (long long i = 0; i < options.concurrency; i++) {
        struct connection *c = &connections[i];
        struct stream *s;
        while (begun < options.count && (s = free_stream(c))) {
            uint64_t when = options.rate > 0 ? next_due() : now;
            if (when > now || (idle && c->h2->next_id > 3)) break;
            begun++;
            begin_stream(c, s, when, 0, 0);
        }
        if (c->state == FREE && c->h2->queued) flush_http2(c);
    }
}

/* Starts what is due; `scan` remembers where the last free connection was found. */
static void begin_due(uint64_t now) {
    static long long scan;
    if (options.http == 2 && !handshakes) {
        begin_due_streams(now);
        return;
    }
    for (long long tried = 0; begun < options.count && tried < options.concurrency; tried++) {
        uint64_t when = options.rate > 0 ? next_due() : now;
        if (when > now || (idle && begun - finished >= OPENING)) return;
        scan = (scan + 1) % options.concurrency;
        struct connection *c = &connections[scan];
        if (c->state == (handshakes ? CLOSED : FREE)) begin_operation(c, when);
    }
}

static void handle_events(uint64_t wait) {
    struct epoll_event events[256];
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};
    int count = epoll_pwait2(poller, events, 256, &timeout, NULL);
    for (int i = 0; i < count; i++) drive(events[i].data.ptr, events[i].events);
}

/* Opens the connections, a few at a time, with a first answer on each. */
static void prepare(void) {
    long long opened = 0;
    for (;;) {
        long long open = 0, warm = 0;
        for (long long i = 0; i < opened; i++) {
            open += connections[i].state != CLOSED && !connections[i].warm;
            warm += connections[i].warm;
        }
        if (opened == options.concurrency && !open) return;
        while (opened < options.concurrency && open < OPENING) open_connection(&connections[opened++]), open++;
        if (nanoseconds() > deadline) {
            fprintf(stderr, "load: only %lld of %lld connections came about in time\n", warm, options.concurrency);
            errors[LATE]++;
            return;
        }
        handle_events(100000000);
    }
}

static void run(void) {
    run_began = nanoseconds();
    while (finished < options.count) {
        uint64_t now = nanoseconds();
        if (now > deadline) {
            errors[LATE] += options.count - finished;
            fprintf(stderr, "load: %lld of %lld operations unfinished after %g seconds\n", options.count - finished,
                    options.count, options.seconds);
            return;
        }
        if (!handshakes && !standing) {
            errors[ENDED] += options.count - finished;
            fprintf(stderr, "load: no connection is left\n");
            return;
        }
        begin_due(now);
        if (finished < options.count) handle_events(patience());
    }
}

/* Begins all requests and holds their bodies; what was begun has come to the server once it has answered to a PING. */
static void hold_streams(void) {
    for (long long i = 0; i < options.concurrency; i++) {
        struct stream *s;
        while (connections[i].warm && (s = free_stream(&connections[i]))) begin_stream(&connections[i], s, nanoseconds(), 0, 1), begun++;
        if (connections[i].warm) ping(&connections[i]);
    }
    for (long long i = 0; i < options.concurrency && nanoseconds() < deadline;) {
        if (!connections[i].warm || connections[i].h2->acknowledged) i++;
        else handle_events(100000000);
    }
}

static void let_bodies_go(void) {
    for (long long i = 0; i < options.concurrency; i++) {
        if (!connections[i].warm) continue;
        for (int j = 0; j < options.streams; j++) connections[i].h2->streams[j].held = 0;
        send_bodies(&connections[i]);
        flush_http2(&connections[i]);
    }
}

/* Collects a session for each connection that there may be at a time, by full handshakes. */
static void learn(void) {
    long long count = options.count;
    learning = 1;
    options.count = options.concurrency;
    run();
    options.count = count;
    learning = 0;
    if (held_sessions < options.concurrency) fprintf(stderr, "load: the server gave %d sessions only\n", held_sessions);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(double share) {
    if (!measured) return 0;
    long long at = (long long)(share * (double)measured);
    return latencies[at < measured ? at : measured - 1];
}

/* [[upper bound in microseconds, operations]…]: four buckets for each doubling. */
static void print_histogram(void) {
    double bound = 1;
    long long at = 0;
    const char *comma = "";
    printf("\"histogram\": [");
    while (at < measured) {
        long long before = at;
        while (at < measured && (double)latencies[at] <= bound) at++;
        if (at > before) printf("%s[%.0f, %lld]", comma, bound, at - before), comma = ", ";
        bound *= 1.189207115;
    }
    printf("], ");
}

static void write_timeline(void) {
    if (!beginnings) return;
    FILE *file = fopen(options.timeline, "w");
    if (!file) fail(options.timeline);
    for (long long i = 0; i < measured; i++) fprintf(file, "%llu %u\n", (unsigned long long)beginnings[i] / 1000, latencies[i]);
    if (fclose(file)) fail(options.timeline);
}

static long long print_result(uint64_t ended) {
    long long wrong = 0;
    qsort(latencies, (size_t)measured, sizeof *latencies, by_size);
    printf("{\"mode\": \"%s\", \"operations\": %lld, \"resumed\": %lld, \"errors\": {", options.mode, measured, resumed);
    for (int i = 0; i < ERRORS; i++) {
        if (errors[i]) printf("%s\"%s\": %lld", wrong ? ", " : "", error_names[i], errors[i]);
        wrong += errors[i];
    }
    printf("}, \"statuses\": {");
    const char *comma = "";
    for (int i = 0; i < 600; i++)
        if (statuses[i]) printf("%s\"%d\": %lld", comma, i, statuses[i]), comma = ", ";
    printf("}, \"seconds\": %.6f, \"bytes_received\": %llu, \"bytes_sent\": %llu, ", (double)(ended - run_began) / 1e9,
           (unsigned long long)bytes_received, (unsigned long long)bytes_sent);
    printf("\"latency_us\": {\"p50\": %u, \"p99\": %u, \"p999\": %u, \"max\": %u}, ", percentile(0.5), percentile(0.99),
           percentile(0.999), measured ? latencies[measured - 1] : 0);
    print_histogram();
    printf("\"tls\": \"%s\", \"openssl\": \"%s\"}\n", tls_words, OpenSSL_version(OPENSSL_VERSION));
    fflush(stdout);
    return wrong;
}

/* Waits for a line or the end of standard input, no longer than the run may take. */
static void wait_for_input(void) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t now = nanoseconds();
    if (now >= deadline || poll(&input, 1, (int)((deadline - now) / 1000000)) <= 0) return;
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {}
}

/* -- beginning ------------------------------------------------------------------------------------------------------------ */

static int version(const char *name) {
    if (strcmp(name, "1.2") == 0) return TLS1_2_VERSION;
    if (strcmp(name, "1.3") == 0) return TLS1_3_VERSION;
    usage("--min and --max take 1.2 or 1.3");
    return 0;
}

static SSL_CTX *new_context(const char *certificate) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_min_proto_version(context, version(options.min));
    SSL_CTX_set_max_proto_version(context, version(options.max));
    /* One suite, so that every peer encrypts the same way whatever it would prefer. */
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384");
    if (options.http == 2) SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!options.ca || SSL_CTX_load_verify_locations(context, options.ca, NULL) != 1) usage("--ca: a file of CA certificates");
    if (!certificate) return context;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) usage("--cert cannot be read");
    if (!options.key || SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1) usage("--key cannot be read");
    return context;
}

static void make_contexts(void) {
    context = new_context(options.cert);
    if (!options.identities) return;
    identities = calloc((size_t)options.identities, sizeof *identities);
    for (long long i = 0; i < options.identities; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s.%lld", options.cert, options.first + i);
        identities[i] = new_context(name);
    }
}

static void parse(int argc, char **argv) {
    if (argc < 2 || argc % 2) usage("MODE --connect 127.0.0.1:PORT [--name value]…; see the top of load.c");
    options.mode = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--connect")) options.connect = value;
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--expect")) options.expect = atoll(value);
        else if (!strcmp(name, "--size")) options.size = atoll(value);
        else if (!strcmp(name, "--count")) options.count = atoll(value);
        else if (!strcmp(name, "--concurrency")) options.concurrency = atoll(value);
        else if (!strcmp(name, "--identities")) options.identities = atoll(value);
        else if (!strcmp(name, "--first")) options.first = atoll(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--tls")) options.tls = atoi(value);
        else if (!strcmp(name, "--http")) options.http = atoi(value);
        else if (!strcmp(name, "--vary")) options.vary = atoi(value);
        else if (!strcmp(name, "--streams")) options.streams = atoi(value);
        else if (!strcmp(name, "--cert")) options.cert = value;
        else if (!strcmp(name, "--key")) options.key = value;
        else if (!strcmp(name, "--ca")) options.ca = value;
        else if (!strcmp(name, "--host")) options.host = value;
        else if (!strcmp(name, "--timeline")) options.timeline = value;
        else if (!strcmp(name, "--min")) options.min = value;
        else if (!strcmp(name, "--max")) options.max = value;
        else usage(name);
    }
    static const char *const modes[] = {"handshake", "resume", "return", "keepalive", "download", "upload", "idle", "waiting"};
    int known = 0;
    for (int i = 0; i < 8; i++) known |= !strcmp(options.mode, modes[i]);
    if (!known) usage("MODE is handshake, resume, return, keepalive, download, upload, idle or waiting");
    returning = !strcmp(options.mode, "return");
    resume = returning || !strcmp(options.mode, "resume");
    handshakes = resume || !strcmp(options.mode, "handshake");
    waiting = !strcmp(options.mode, "waiting");
    upload = waiting || !strcmp(options.mode, "upload");
    idle = !strcmp(options.mode, "idle");
    if (idle) options.count = options.concurrency;
    if (options.http != 1 && options.http != 2) usage("--http is 1 or 2");
    if (options.http == 2 && !options.tls) usage("--http 2 needs --tls");
    if (options.streams < 1 || options.streams > MAX_STREAMS) usage("--streams is 1 to 100");
    if (options.http == 1 && (options.streams > 1 || waiting)) usage("--streams and waiting need --http 2");
    if (handshakes && options.streams > 1) usage("a connection that is closed after a request has no more --streams than 1");
    if (waiting) options.count = options.concurrency * options.streams;
    if (strlen(options.host) > 126 || strlen(options.path) > 126) usage("--path or --host is too long");
    if (options.count < 1 || options.count > MAX_COUNT) usage("--count is 1 to 10000000");
    if (options.concurrency < 1 || options.concurrency > MAX_CONCURRENCY) usage("--concurrency is 1 to 10000");
    if (options.identities < 0 || options.identities > MAX_IDENTITIES || (options.identities && !options.cert))
        usage("--identities is 0 to 20000, with --cert");
    if (resume && (!options.tls || options.concurrency * 2 > MAX_SESSIONS)) usage("resume needs --tls and at most 128 connections");
    if (options.seconds <= 0 || options.seconds > 3600) usage("--seconds is more than 0 and at most 3600");
    if (upload && options.size < 1) usage("upload needs --size");
}

static void find_target(void) {
    char address[64] = "";
    int port = 0;
    if (!options.connect || sscanf(options.connect, "%63[0-9.]:%d", address, &port) != 2 || port < 1 || port > 65535)
        usage("--connect takes address:port");
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &target.sin_addr) != 1 || ntohl(target.sin_addr.s_addr) >> 24 != 127)
        usage("--connect takes an address of 127.0.0.0/8 only: this program is no weapon");
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    parse(argc, argv);
    find_target();
    make_pattern();
    if (options.tls) make_contexts();
    request_head = own_request(request, sizeof request, "");
    warm_head = make_request(warm_request, sizeof warm_request, "GET /1k", "");
    connections = calloc((size_t)options.concurrency, sizeof *connections);
    latencies = calloc((size_t)options.count, sizeof *latencies);
    if (options.timeline) beginnings = calloc((size_t)options.count, sizeof *beginnings);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || !latencies || (options.timeline && !beginnings) || poller < 0) fail("not enough memory or descriptors");
    for (long long i = 0; i < options.concurrency; i++) {
        connections[i].fd = -1;
        if (options.http == 2 && !(connections[i].h2 = malloc(sizeof(struct http2) + TO_SEND))) fail("not enough memory");
    }
    deadline = nanoseconds() + (uint64_t)(options.seconds * 1e9);
    if (!handshakes) prepare();
    if (resume) learn();
    finished = begun = resumed = bytes_received = bytes_sent = 0;
    if (waiting) hold_streams();
    printf("ready\n");
    fflush(stdout);
    wait_for_input();
    if (waiting) let_bodies_go();
    run();
    uint64_t ended = nanoseconds();
    write_timeline(); /* before the latencies are sorted */
    long long wrong = print_result(ended);
    wait_for_input();
    return wrong ? 1 : 0;
}

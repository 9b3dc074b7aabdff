/* The backend of the benchmarks: HTTP/1.1 with keep-alive on a free port of 127.0.0.1, one thread, epoll.

   GET /<n>[k|m|g]      that many bytes of the pattern, whatever the query; /wrong/<n>… the same with one byte altered (the harness checks itself with it)
   GET /                "ok", for probes
   any method /head     the request head as it arrived
   POST anything else   reads the body (Content-Length or chunked), compares it with the pattern, answers its length in decimal
   else                 404; a body that differs from the pattern: 422

   Prints its port; ends when its standard input ends. */
#define _GNU_SOURCE
#include "pattern.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_LIMIT 65536

enum body { NO_BODY, COUNTED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS };

struct connection {
    int fd;
    size_t held;              /* bytes of a head in `head` */
    enum body body;           /* what the next byte belongs to, once the head is complete */
    int in_body;
    uint64_t left, received;  /* of the request's body or chunk; of the whole body */
    int differs;              /* the body was not the pattern */
    char line[64];            /* a chunk's size line, a trailer line (cut) */
    size_t line_length;
    char answer[HEAD_LIMIT + 512];
    size_t answer_length, answer_sent;
    uint64_t position, size;  /* of the pattern still to be sent */
    int wrong, waiting;       /* send an altered byte first; EPOLLOUT is asked for */
    char path[128], method[16];
    char head[HEAD_LIMIT + 1];
};

static int poller;
static char incoming[SPAN];

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void close_connection(struct connection *c) {
    close(c->fd);
    free(c);
}

static void want_write(struct connection *c, int wanted) {
    if (c->waiting == wanted) return;
    struct epoll_event event = {.events = wanted ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll_ctl");
    c->waiting = wanted;
}

/* 0: all is sent, 1: the socket is full, -1: the connection is gone. */
static int send_answer(struct connection *c) {
    while (c->answer_sent < c->answer_length) {
        /* The first piece of a body goes with its head, so that a small answer is one segment. */
        char whole[HEAD_LIMIT + 512 + 16384];
        size_t head = c->answer_length - c->answer_sent, body = c->size < 16384 ? c->size : 16384;
        memcpy(whole, c->answer + c->answer_sent, head);
        memcpy(whole + head, pattern + c->position % PERIOD, body);
        if (c->wrong && body) whole[head] ^= 1;
        ssize_t sent = send(c->fd, whole, head + body, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? 1 : -1;
        if ((size_t)sent <= head) {
            c->answer_sent += (size_t)sent;
            continue;
        }
        c->answer_sent = c->answer_length;
        c->position += (size_t)sent - head;
        c->size -= (size_t)sent - head;
    }
    while (c->size > 0) {
        size_t part = c->size < SPAN ? c->size : SPAN;
        ssize_t sent = send(c->fd, pattern + c->position % PERIOD, part, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? 1 : -1;
        c->position += (size_t)sent;
        c->size -= (size_t)sent;
    }
    return 0;
}

static void answer(struct connection *c, const char *status, const char *text, size_t length) {
    c->answer_length = (size_t)sprintf(
        c->answer, "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n", status, length);
    memcpy(c->answer + c->answer_length, text, length);
    c->answer_length += length;
    c->answer_sent = 0;
}

static void answer_pattern(struct connection *c, uint64_t size) {
    c->answer_length = (size_t)sprintf(
        c->answer, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %llu\r\n\r\n",
        (unsigned long long)size);
    c->answer_sent = 0;
    c->position = 0;
    c->size = size;
}

/* "/64k" or "/64k?query" -> 65536; -1: not such a path. */
static long long size_of(const char *path) {
    if (path[0] != '/' || path[1] < '0' || path[1] > '9') return -1;
    char *end;
    long long size = strtoll(path + 1, &end, 10);
    if (*end == 'k') size <<= 10, end++;
    else if (*end == 'm') size <<= 20, end++;
    else if (*end == 'g') size <<= 30, end++;
    return (*end == 0 || *end == '?') && size >= 0 ? size : -1;
}

static void respond(struct connection *c) {
    c->wrong = strncmp(c->path, "/wrong/", 7) == 0;
    long long size = size_of(c->wrong ? c->path + 6 : c->path);
    if (c->differs) {
        answer(c, "422 Unprocessable Content", "not the pattern\n", 16);
    } else if (strcmp(c->path, "/head") == 0) {
        answer(c, "200 OK", c->head, c->held);
    } else if (strcmp(c->method, "POST") == 0) {
        char count[32];
        answer(c, "200 OK", count, (size_t)sprintf(count, "%llu", (unsigned long long)c->received));
    } else if (strcmp(c->method, "GET") == 0 && size >= 0) {
        answer_pattern(c, (uint64_t)size);
    } else if (strcmp(c->path, "/") == 0) {
        answer(c, "200 OK", "ok\n", 3);
    } else {
        answer(c, "404 Not Found", "nothing here\n", 13);
    }
}

/* Reads method, path and framing from a whole head. 0: fine, -1: not HTTP as we know it. */
static int read_head(struct connection *c) {
    if (sscanf(c->head, "%15s %127s HTTP/1.", c->method, c->path) != 2) return -1;
    c->left = c->received = 0;
    c->differs = 0;
    c->body = NO_BODY;
    for (char *line = strstr(c->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0) {
            c->left = strtoull(line + 17, NULL, 10);
            if (c->left > 0) c->body = COUNTED;
        }
        if (strncasecmp(line + 2, "Transfer-Encoding:", 18) == 0) c->body = CHUNK_SIZE, c->line_length = 0;
    }
    return 0;
}

/* One line of the chunked framing, without its end: CHUNK_SIZE, CHUNK_END and TRAILERS. */
static void chunk_line(struct connection *c) {
    c->line[c->line_length] = 0;
    if (c->body == CHUNK_SIZE) {
        c->left = strtoull(c->line, NULL, 16);
        c->body = c->left ? CHUNK_DATA : TRAILERS;
    } else if (c->body == CHUNK_END) {
        c->body = CHUNK_SIZE;
    } else if (c->line_length == 0) {
        c->body = NO_BODY;
    }
    c->line_length = 0;
}

/* Takes what belongs to the request's body and says how much that was. */
static size_t take_body(struct connection *c, const char *bytes, size_t size) {
    size_t taken = 0;
    while (taken < size && c->body != NO_BODY) {
        if (c->body == COUNTED || c->body == CHUNK_DATA) {
            size_t part = size - taken < c->left ? size - taken : (size_t)c->left;
            if (!matches_pattern(bytes + taken, part, c->received)) c->differs = 1;
            c->received += part;
            c->left -= part;
            taken += part;
            if (c->left == 0) c->body = c->body == COUNTED ? NO_BODY : CHUNK_END;
            continue;
        }
        char byte = bytes[taken++];
        if (byte == '\n') chunk_line(c);
        else if (byte != '\r' && c->line_length < sizeof c->line - 1) c->line[c->line_length++] = byte;
    }
    return taken;
}

/* 0: read on, -1: end the connection. */
static int take(struct connection *c, const char *bytes, size_t size) {
    while (size > 0) {
        if (!c->in_body) {
            size_t room = HEAD_LIMIT - c->held, part = size < room ? size : room, before = c->held;
            memcpy(c->head + c->held, bytes, part);
            c->held += part;
            c->head[c->held] = 0;
            char *end = memmem(c->head + (before > 3 ? before - 3 : 0), c->held - (before > 3 ? before - 3 : 0), "\r\n\r\n", 4);
            if (!end && c->held == HEAD_LIMIT) return -1;
            if (!end) return 0;
            size_t head = (size_t)(end - c->head) + 4;
            bytes += head - before;
            size -= head - before;
            c->held = head;
            c->head[head] = 0;
            if (read_head(c) < 0) return -1;
            c->in_body = 1;
        }
        size_t taken = take_body(c, bytes, size);
        bytes += taken;
        size -= taken;
        if (c->body != NO_BODY) return 0;
        respond(c);
        c->in_body = 0;
        c->held = 0;
        int state = send_answer(c);
        if (state < 0 || (state == 1 && size > 0)) return -1; /* nobody pipelines here */
        want_write(c, state);
    }
    return 0;
}

static void on_event(struct connection *c) {
    if (c->waiting) {
        int state = send_answer(c);
        if (state < 0) close_connection(c);
        else want_write(c, state);
        return;
    }
    ssize_t size = recv(c->fd, incoming, sizeof incoming, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0 || take(c, incoming, (size_t)size) < 0) close_connection(c);
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        struct connection *c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
    }
}

static int listen_anywhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0) fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(void) {
    make_pattern();
    poller = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_anywhere();
    /* data.ptr tells the two that are no connections apart by addresses of our own. */
    int *listener_mark = &listener, *input_mark = &poller;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener_mark};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
    event.data.ptr = input_mark;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) fail("standard input must be a pipe or terminal");
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == input_mark) return 0;
            if (events[i].data.ptr == listener_mark) accept_all(listener);
            else on_event(events[i].data.ptr);
        }
    }
}

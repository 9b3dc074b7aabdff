/* The body that backend and load generator agree on: 64 KiB of fixed noise, repeated; byte n of a body is noise[n % 65536].
   Both sides compare what they receive, so a gateway that loses, repeats or reorders bytes is found out. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#define PERIOD 65536u
#define SPAN (256u * 1024) /* the most that one call may compare or send */

static unsigned char pattern[SPAN + PERIOD];

static void make_pattern(void) {
    uint32_t noise = 2463534242u;
    for (size_t i = 0; i < sizeof pattern; i++) {
        if (i >= PERIOD) {
            pattern[i] = pattern[i - PERIOD];
            continue;
        }
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        pattern[i] = (unsigned char)(noise >> 24);
    }
}

/* `size` is at most SPAN. */
static int matches_pattern(const void *bytes, size_t size, uint64_t position) {
    return memcmp(bytes, pattern + position % PERIOD, size) == 0;
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif

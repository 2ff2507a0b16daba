// SPDX-License-Identifier: Apache-2.0
// Time is a parameter: whoever needs it is given a struct clock, and this is the only module that
// reads one. A warp clock stands still until a test moves it, so ageing, leases and retries are
// tested without sleeping.
#ifndef TRINE_BASE_CLOCK_H
#define TRINE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define MSEC_NS INT64_C(1000000)
#define SEC_NS INT64_C(1000000000)

struct clock {
    int64_t (*monotonic_ns)(struct clock *clock); // since some fixed point, never goes back
    int64_t (*realtime_ns)(struct clock *clock);  // since 1970-01-01 UTC
};

struct clock *clock_system(void); // static, never freed

struct clock_warp {
    struct clock clock;
    int64_t monotonic, realtime;
};
void clock_warp_init(struct clock_warp *warp, int64_t realtime_ns);
void clock_warp_advance(struct clock_warp *warp, int64_t ns);

static inline int64_t clock_monotonic(struct clock *clock) {
    return clock->monotonic_ns(clock);
}
static inline int64_t clock_realtime(struct clock *clock) {
    return clock->realtime_ns(clock);
}

#define TIME_TEXT_SIZE 32
// RFC 3339 in UTC with milliseconds, "2026-11-21T09:44:00.123Z"; returns buf.
const char *time_format(int64_t realtime_ns, char buf[TIME_TEXT_SIZE]);
int time_parse(const char *text, int64_t *ret_realtime_ns); // RFC 3339 with any offset; -EINVAL

#endif

// SPDX-License-Identifier: Apache-2.0
// The calendar is the proleptic Gregorian one, counted in eras of 400 years (146097 days) whose
// years begin in March, so that the leap day is the last of its year.
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * SEC_NS + ts.tv_nsec;
}

static int64_t system_monotonic(struct clock *clock) {
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_realtime(struct clock *clock) {
    return read_clock(CLOCK_REALTIME);
}

struct clock *clock_system(void) {
    static struct clock clock = {system_monotonic, system_realtime};
    return &clock;
}

static int64_t warp_monotonic(struct clock *clock) {
    return ((struct clock_warp *)clock)->monotonic;
}

static int64_t warp_realtime(struct clock *clock) {
    return ((struct clock_warp *)clock)->realtime;
}

void clock_warp_init(struct clock_warp *warp, int64_t realtime_ns) {
    *warp = (struct clock_warp){.clock = {warp_monotonic, warp_realtime}, .realtime = realtime_ns};
}

void clock_warp_advance(struct clock_warp *warp, int64_t ns) {
    warp->monotonic += ns;
    warp->realtime += ns;
}

enum { DAYS_PER_ERA = 146097, ERA_TO_1970 = 719468 };

struct date {
    int64_t year;
    int month, day;
};

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static int64_t days_from_date(struct date date) {
    int64_t year = date.year - (date.month <= 2);
    int64_t era = floor_div(year, 400), of_era = year - era * 400;
    int month = (date.month + 9) % 12; // March is 0
    int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - ERA_TO_1970;
}

static struct date date_from_days(int64_t days) {
    days += ERA_TO_1970;
    int64_t era = floor_div(days, DAYS_PER_ERA), of_era = days - era * DAYS_PER_ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
    int month = (5 * of_year + 2) / 153;
    struct date date = {.day = of_year - (153 * month + 2) / 5 + 1,
                        .month = month < 10 ? month + 3 : month - 9};
    date.year = year + era * 400 + (date.month <= 2);
    return date;
}

const char *time_format(int64_t realtime_ns, char buf[TIME_TEXT_SIZE]) {
    int64_t ms = floor_div(realtime_ns, MSEC_NS), days = floor_div(ms, 86400000);
    unsigned of_day = (unsigned)(ms - days * 86400000);
    struct date date = date_from_days(days);
    // The remainders only tell the compiler what the ranges are.
    snprintf(buf, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)date.year % 10000, (unsigned)date.month % 100, (unsigned)date.day % 100,
             of_day / 3600000 % 24, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
    return buf;
}

// Exactly `digits` decimal digits with a value of min to max.
static bool take_number(const char **text, int digits, int min, int max, int *ret) {
    int value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text)) return false;
        value = value * 10 + (**text - '0');
    }
    *ret = value;
    return value >= min && value <= max;
}

static bool take_char(const char **text, const char *any) {
    for (; *any; any++)
        if (**text == *any) {
            (*text)++;
            return true;
        }
    return false;
}

static bool take_date(const char **text, struct date *ret) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year;
    if (!take_number(text, 4, 0, 9999, &year) || !take_char(text, "-") ||
        !take_number(text, 2, 1, 12, &ret->month) || !take_char(text, "-"))
        return false;
    ret->year = year;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return take_number(text, 2, 1, days[ret->month - 1] + (leap && ret->month == 2), &ret->day);
}

// ".123": digits past the ninth are read and ignored.
static bool take_fraction(const char **text, int64_t *ret_ns) {
    *ret_ns = 0;
    if (!take_char(text, ".")) return true;
    if (!isdigit((unsigned char)**text)) return false;
    for (int64_t unit = SEC_NS / 10; isdigit((unsigned char)**text); (*text)++, unit /= 10)
        *ret_ns += unit * (**text - '0');
    return true;
}

static bool take_offset(const char **text, int64_t *ret_seconds) {
    *ret_seconds = 0;
    if (take_char(text, "Zz")) return true;
    int sign = **text == '-' ? -1 : 1, hours, minutes;
    if (!take_char(text, "+-") || !take_number(text, 2, 0, 23, &hours) || !take_char(text, ":") ||
        !take_number(text, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = (int64_t)sign * (hours * 3600 + minutes * 60);
    return true;
}

int time_parse(const char *text, int64_t *ret_realtime_ns) {
    struct date date;
    int hour, minute, second;
    int64_t fraction_ns, offset;
    if (!take_date(&text, &date) || !take_char(&text, "Tt") ||
        !take_number(&text, 2, 0, 23, &hour) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 59, &minute) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 60, &second) || // 60: a leap second is the next one's first
        !take_fraction(&text, &fraction_ns) || !take_offset(&text, &offset) || *text)
        return -EINVAL;
    int64_t seconds = days_from_date(date) * 86400 + hour * 3600 + minute * 60 + second - offset;
    int64_t ns;
    // Years that nanoseconds in 64 bits cannot hold (outside 1677..2262) are refused.
    if (__builtin_mul_overflow(seconds, SEC_NS, &ns) ||
        __builtin_add_overflow(ns, fraction_ns, &ns))
        return -EINVAL;
    *ret_realtime_ns = ns;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Structured logging to standard error (or a descriptor), one line an entry.
//
// Text: "2026-11-21T09:44:00.123Z info daemon: started pid=12 socket=/run/trine/api.sock"; JSON
// where asked. Only the one who decides logs: libraries stay at debug. Fields are given as
// NULL-terminated key/format pairs by the LOG_* macros through plain printf: LOG_INFO("started",
// "pid=%d socket=%s", pid, path).
#ifndef TRINE_BASE_LOG_H
#define TRINE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };

void log_setup(const char *component, enum log_level level, bool json, int fd);
enum log_level log_level_get(void);
int log_level_parse(const char *word, enum log_level *ret); // debug info warn error none; -EINVAL

// `fields` is a printf format of space-separated key=value pairs; in JSON they become members.
// Values with spaces are written quoted in the format: "cause=\"%s\"". May be "".
void log_entry(enum log_level level, const char *message, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_AT(level, ...) \
    do { \
        if ((level) >= log_level_get()) log_entry((level), __VA_ARGS__); \
    } while (0)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_WARN(...) LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif

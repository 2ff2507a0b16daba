// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/capability.h"

#include "base/str.h"

#include <linux/capability.h>
#include <strings.h>

#define BIT(name) (UINT64_C(1) << (name))

// What container engines agree on: enough for a distribution's packages and servers to run.
static const uint64_t usual = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) |
                              BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID) |
                              BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW) |
                              BIT(CAP_SYS_CHROOT) | BIT(CAP_MKNOD) | BIT(CAP_AUDIT_WRITE) |
                              BIT(CAP_SETFCAP);

uint64_t capability_parse(const char *word) {
    if (strcasecmp(word, "ALL") == 0) return (UINT64_C(1) << CAPABILITY_COUNT) - 1;
    int number = capability_number(word);
    return number < 0 ? 0 : BIT(number);
}

static int unknown(const char *word, struct err *err) {
    err_set(err, ERR_INVALID, 0, "capability", "\"%.64s\" is not a capability", word);
    return err_next(err, "use a name of capabilities(7) such as NET_ADMIN, or ALL");
}

int capability_resolve(struct wire_strings add, struct wire_strings drop, bool privileged,
                       uint64_t available, uint64_t *ret, struct err *err) {
    uint64_t dropped = 0, added = 0;
    for (size_t i = 0; i < drop.count; i++) {
        uint64_t set = capability_parse(drop.items[i]);
        if (!set) return unknown(drop.items[i], err);
        dropped |= set;
    }
    for (size_t i = 0; i < add.count; i++) {
        const char *word = add.items[i];
        uint64_t set = capability_parse(word);
        if (!set) return unknown(word, err);
        // "ALL" means all that can be had; a single name means that one.
        if (strcasecmp(word, "ALL") != 0 && !(set & available)) {
            err_set(err, ERR_UNSUPPORTED, 0, "capability",
                    "%.64s cannot be given: Trine does not hold it on this host", word);
            return err_next(err, "leave it out");
        }
        added |= set;
    }
    // Dropping wins over the default set, naming one explicitly wins over dropping ALL.
    uint64_t base = privileged ? available : usual;
    *ret = ((base & ~dropped) | added) & available;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "execution/container/mount_option.h"

#include <sys/mount.h>

enum change { ADD, DROP, ATIME };
static const struct attribute {
    const char *word;
    uint64_t bits;
    enum change change;
} attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, ADD},
    {"rw", MOUNT_ATTR_RDONLY, DROP},
    {"nosuid", MOUNT_ATTR_NOSUID, ADD},
    {"suid", MOUNT_ATTR_NOSUID, DROP},
    {"nodev", MOUNT_ATTR_NODEV, ADD},
    {"dev", MOUNT_ATTR_NODEV, DROP},
    {"noexec", MOUNT_ATTR_NOEXEC, ADD},
    {"exec", MOUNT_ATTR_NOEXEC, DROP},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, ADD},
    {"diratime", MOUNT_ATTR_NODIRATIME, DROP},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, ADD},
    {"symfollow", MOUNT_ATTR_NOSYMFOLLOW, DROP},
    {"noatime", MOUNT_ATTR_NOATIME, ATIME},
    {"atime", MOUNT_ATTR_RELATIME, ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, ATIME},
    {"norelatime", MOUNT_ATTR_STRICTATIME, ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, ATIME},
};

static const struct propagation {
    const char *word;
    unsigned long flag;
} propagations[] = {
    {"shared", MS_SHARED},
    {"private", MS_PRIVATE},
    {"slave", MS_SLAVE},
    {"unbindable", MS_UNBINDABLE},
};

// Words with a meaning of their own, by the flag they set.
static const struct plain {
    const char *word;
    size_t offset;
    bool value;
} plains[] = {
    {"sync", offsetof(struct mount_options, synchronous), true},
    {"async", offsetof(struct mount_options, synchronous), false},
    {"dirsync", offsetof(struct mount_options, dir_sync), true},
    {"lazytime", offsetof(struct mount_options, lazy_time), true},
    {"nolazytime", offsetof(struct mount_options, lazy_time), false},
    {"bind", offsetof(struct mount_options, bind), true},
    {"rbind", offsetof(struct mount_options, bind_all), true},
    {"tmpcopyup", offsetof(struct mount_options, copy_up), true},
    {"idmap", offsetof(struct mount_options, idmap), true},
    {"ridmap", offsetof(struct mount_options, idmap_all), true},
};

// Accepted for the sake of old configurations; no kernel has a meaning for them any more.
static const char *const ignored[] = {"defaults", "silent",   "loud",       "mand", "nomand",
                                      "remount",  "iversion", "noiversion", "acl",  "noacl"};

const char *mount_option_name(size_t i) {
    if (i < array_len(attributes)) return attributes[i].word;
    i -= array_len(attributes);
    if (i < array_len(propagations)) return propagations[i].word;
    i -= array_len(propagations);
    if (i < array_len(plains)) return plains[i].word;
    return NULL;
}

static bool take_attribute(const char *word, uint64_t *set, uint64_t *clear) {
    for (size_t i = 0; i < array_len(attributes); i++) {
        if (strcmp(word, attributes[i].word)) continue;
        uint64_t bits = attributes[i].bits;
        // A later word wins over an earlier one.
        if (attributes[i].change == ADD) *set |= bits, *clear &= ~bits;
        if (attributes[i].change == DROP) *clear |= bits, *set &= ~bits;
        if (attributes[i].change == ATIME)
            *set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | bits, *clear |= MOUNT_ATTR__ATIME;
        return true;
    }
    return false;
}

unsigned long mount_propagation_parse(const char *word) {
    for (size_t i = 0; i < array_len(propagations); i++) {
        if (!strcmp(word, propagations[i].word)) return propagations[i].flag;
        if (word[0] == 'r' && !strcmp(word + 1, propagations[i].word))
            return propagations[i].flag | MS_REC;
    }
    return 0;
}

static bool take_word(const char *word, struct mount_options *m) {
    if (take_attribute(word, &m->set, &m->clear)) return true;
    if (word[0] == 'r' && take_attribute(word + 1, &m->set_all, &m->clear_all)) return true;
    unsigned long propagation = mount_propagation_parse(word);
    if (propagation) {
        m->propagation = propagation & ~(unsigned long)MS_REC;
        m->propagation_all = propagation & MS_REC;
        return true;
    }
    for (size_t i = 0; i < array_len(plains); i++)
        if (!strcmp(word, plains[i].word)) {
            *(bool *)(void *)((char *)m + plains[i].offset) = plains[i].value;
            return true;
        }
    for (size_t i = 0; i < array_len(ignored); i++)
        if (!strcmp(word, ignored[i])) return true;
    return false;
}

int mount_options_parse(const struct oci_mount *mount, struct arena *arena,
                        struct mount_options *ret, struct err *err) {
    struct mount_options m = {0};
    m.data.items = arena_array(arena, mount->options.len + 1, sizeof(char *));
    if (!m.data.items) return err_set(err, ERR_NO_SPACE, 0, "mounts", "no memory");
    for (size_t i = 0; i < mount->options.len; i++) {
        char *word = mount->options.items[i];
        if (take_word(word, &m)) continue;
        if (!strncmp(word, "trine.base=", 11)) {
            m.base = word + 11;
            if (m.base[0] != '/')
                return err_set(err, ERR_INVALID, 0, mount->destination,
                               "the mount option %s needs an absolute directory", word);
            continue;
        }
        if (!word[0]) continue;
        m.data.items[m.data.len++] = word;
    }
    if (mount->type && !strcmp(mount->type, "bind") && !m.bind_all) m.bind = true;
    // A type of its own together with "bind" is what engines write ("none", "bind", even "tmpfs"):
    // the option decides, as with mount(8).
    m.bind |= m.bind_all;
    if (m.bind && m.data.len && !m.idmap && !m.idmap_all) {
        for (size_t i = 0; i < m.data.len; i++)
            if (!strchr(m.data.items[i], '=') && strcmp(m.data.items[i], "z") &&
                strcmp(m.data.items[i], "Z") && strcmp(m.data.items[i], "U"))
                return err_set(err, ERR_INVALID, 0, mount->destination,
                               "unknown option \"%s\" of a bind mount", m.data.items[i]);
    }
    m.read_only = m.set & MOUNT_ATTR_RDONLY;
    *ret = m;
    return 0;
}

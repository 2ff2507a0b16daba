// SPDX-License-Identifier: Apache-2.0
// The mirrors that this host's apt is configured with, as one-line entries for another suite's
// system (sources.list(5), both its formats).
#ifndef TRINE_IMAGE_APT_SOURCES_H
#define TRINE_IMAGE_APT_SOURCES_H

#include "base/err.h"
#include "base/vec.h"

// Adds what `text` (one file) offers for `suite`: "deb [options] URI SUITE COMPONENTS" for the
// suite, its updates and its security. *ret_archive, when NULL before, becomes the URI (the
// caller's) of the first Debian archive seen, for suites that the host does not use itself.
void apt_sources_parse(const char *text, bool deb822, const char *suite, struct strv *ret_lines,
                       char **ret_archive);
// All of /etc/apt. Without an entry for the suite: the archive's URI with it; without any: nothing,
// and mmdebstrap has its own default.
int apt_sources_read(const char *suite, struct strv *ret_lines, struct err *err);

#endif

// SPDX-License-Identifier: Apache-2.0
// Request targets: what people typed goes into them percent-encoded, always (RFC 3986 2.1).
#ifndef TRINE_CLI_URL_H
#define TRINE_CLI_URL_H

#include "base/str.h"

// Appends `pattern` with each "{}" replaced by the next argument (const char *), encoded:
//   url_path(&url, "/v1/projects/{}/instances/{}/start", project, name);
void url_path(struct str *url, const char *pattern, ...);

// Appends "?name=value", or "&name=value" when the target has a query already. A NULL value adds
// nothing.
void url_query(struct str *url, const char *name, const char *value);
void url_query_bool(struct str *url, const char *name, bool value); // false adds nothing

#endif

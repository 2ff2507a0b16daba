// SPDX-License-Identifier: Apache-2.0
// --filter KEY=VALUE: keeps the members of a list that match all of them.
//
// KEY is a member of the object, by its path ("status.state", "limits.cpus") or by the path's last
// word ("state"); "label" takes KEY or KEY=VALUE of the labels. VALUE may hold * and ?. Of an array,
// one element has to match.
#ifndef TRINE_CLI_FILTER_H
#define TRINE_CLI_FILTER_H

#include "cli/args.h"
#include "cli/output.h"

// Are the filters of the form KEY=VALUE, and does the listing know their keys?
int filter_check(const struct args *args, const struct listing *listing, struct err *err);
bool filter_match(const struct args *args, const struct listing *listing, const json_t *object);
// Removes what does not match from an array.
void filter_apply(const struct args *args, const struct listing *listing, json_t *items);

#endif

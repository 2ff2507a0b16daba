// SPDX-License-Identifier: Apache-2.0
// The event log: what happened, in one order, numbered. Events are written in the transaction of the change that they
// tell about (changes_event) and kept until EVENTS_KEPT newer ones exist.
#ifndef TRINE_CLOUD_EVENT_H
#define TRINE_CLOUD_EVENT_H

#include "cloud/cloud.h"

#define EVENTS_KEPT 10000
#define EVENT_KEY_PREFIX "/events/"

int events_open(struct cloud *cloud, struct err *err);
void events_free(struct events *events);
uint64_t events_last(const struct events *events);
uint64_t events_first(const struct events *events); // oldest kept; last + 1 when none
// For changes_commit: the number of the next event, and how many old ones it has to drop.
uint64_t events_reserve(struct events *events);
void events_forget(struct events *events, uint64_t first); // older ones than `first` are gone

http_handler_fn event_handle_list;

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef TRINE_CLOUD_PROJECT_H
#define TRINE_CLOUD_PROJECT_H

#include "cloud/cloud.h"

// Makes the project "default" where it is missing.
int projects_open(struct cloud *cloud, struct err *err);

#endif

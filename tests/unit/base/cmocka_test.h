// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four headers in front of its own.
#ifndef TRINE_TESTS_BASE_CMOCKA_TEST_H
#define TRINE_TESTS_BASE_CMOCKA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif

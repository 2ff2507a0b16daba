#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The state's file system is full: requests say so, nothing hangs, and what was refused is made good once there is room.
exec python3 -B "$TRINE_SOURCE/tests/fault/daemon_full_disk.py"

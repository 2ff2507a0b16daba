#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget: 90
# Daemon, agent, supervisors and clients are killed at random moments; then everything must converge.
exec python3 -B "$TRINE_SOURCE/tests/fault/daemon_kill.py"

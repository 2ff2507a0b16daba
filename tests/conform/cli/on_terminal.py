# SPDX-License-Identifier: Apache-2.0
"""Programs on a pseudo-terminal, and waiting for conditions."""
import fcntl
import os
import pty
import struct
import termios
import threading
import time

LIMIT_S = 20


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {LIMIT_S} s: {what}")
        time.sleep(0.005)


class Terminal:
    """trine on a pseudo-terminal; what it writes is collected."""

    def __init__(self, program, env, *args, size=(24, 80)):
        self.text, self.lock = b"", threading.Lock()
        pid, self.fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.execve(program, [program, *args], env)
        self.pid = pid
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        try:
            while data := os.read(self.fd, 65536):
                with self.lock:
                    self.text += data
        except OSError:
            pass

    def expect(self, text):
        wait_for(lambda: text in self.text, f"{text!r} in {self.text!r}")

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def type(self, data):
        os.write(self.fd, data)

    def end(self):
        self.thread.join(LIMIT_S)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code

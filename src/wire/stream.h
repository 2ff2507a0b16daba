// SPDX-License-Identifier: Apache-2.0
// Frames of a standard stream (attach, exec), the same on the shim's stream socket and, as binary
// messages, on the API's WebSocket: one channel byte, then the payload.
//
//   client -> shim   IN data (an empty payload is end of file) · RESIZE rows, columns (two le16)
//   shim -> client   OUT data · ERR data · EXIT le32 exit code, then UTF-8 text of a failure (may
//   be empty);
//                    EXIT is the last frame, then the socket is closed
//
// A frame holds at most STREAM_FRAME_MAX bytes, channel included. Other channels are ignored by who
// does not know them.
#ifndef TRINE_WIRE_STREAM_H
#define TRINE_WIRE_STREAM_H

#define STREAM_FRAME_MAX 32768

enum stream_channel {
    STREAM_IN = 0,
    STREAM_OUT = 1,
    STREAM_ERR = 2,
    STREAM_EXIT = 3,
    STREAM_RESIZE = 4,
};

#endif

"""Bounds of every wait for the store, in seconds."""

#: The whole of a call: its turn, a connection, the command, its reply, and a repeat on a connection that was closed.
CALL_SECONDS = 0.95
CONNECT_SECONDS = 0.3
COMMAND_SECONDS = 0.8
#: All of a group may stand still but one, and that one is still asked within the time of a call.
SENTINEL_SECONDS = 0.25

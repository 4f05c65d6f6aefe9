"""The client for what is frequent: HTTP/1.1 on httptools, for the few addresses that an operator names.

writing     a request as bytes, or the reason why it cannot be one
incoming    bytes as an answer; no I/O
connection  one connection: one exchange at a time
pool        connections that are kept, and how many there may be
exchange    the client itself
"""

"""The whole: the gateway and the sandbox as processes of their own, spoken to over sockets."""

"""The HTTP interface of a node: sockets, the gate before all routes, the routes, and the gateway to other nodes."""

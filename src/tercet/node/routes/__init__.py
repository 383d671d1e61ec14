"""The routes of a node, one file a subject; `tercet.node.app` puts them together."""

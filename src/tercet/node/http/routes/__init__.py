"""The routes of a node, one file for each subject; `tercet.node.http.app` puts them together."""

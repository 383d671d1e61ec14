"""The playground: three real parties on this machine, and a page on which people split, compute, steal and break."""

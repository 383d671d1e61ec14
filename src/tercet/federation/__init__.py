"""What members of a federation exchange: identities, the federation file, signed requests, sealed boxes, job bundles."""

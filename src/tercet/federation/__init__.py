"""What members of a federation exchange: identities, the federation file, signed requests, boxes, job bundles."""

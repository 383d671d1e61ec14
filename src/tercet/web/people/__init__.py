"""What the pages of owners, analysts and operators share: the person, what takes long, the site."""

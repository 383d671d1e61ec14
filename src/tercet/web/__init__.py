"""Pages for people: the playground, the pages of owners, analysts and operators, and the page that needs no Tercet."""

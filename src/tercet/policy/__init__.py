"""What a node lets happen: rules, what a plan discloses, decisions that say why."""

"""Changes of stored data, visible at all three nodes or at none; checks of uploads; recovery and repair."""

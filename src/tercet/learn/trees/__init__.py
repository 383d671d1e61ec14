"""Trees, forests and boosting under sharing: one core that grows, one that predicts."""

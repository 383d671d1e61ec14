"""What is proven of values: bounds that follow from a plan, and marks of what does not."""

"""What is healed: runbooks, the planner, the guard, actions that measure whether they helped, and the journal."""

"""What people and policies can do: one file an action, the journal, roles and the audit."""

"""The checks: each a pure judgement over facts that a driver or a table gave. docs/checks.md describes every one."""

//! Command lines, renderers, exit codes and messages shared by every tool.

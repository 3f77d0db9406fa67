//! Kubeconfig files: structural edit, merge with backup, check.

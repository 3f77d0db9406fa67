//! Clocks of nodes and host against the registry's HTTP Date header.

//! k3s configuration, units, server, agents and readiness.

//! Private certificate authority, leaf certificates, k3s cluster CAs and join tokens.

//! The composition: plan, provision, status, destroy.

//! The offline parts of the demo lab: node image, installer ISO, Kubernetes under k3s's skin.

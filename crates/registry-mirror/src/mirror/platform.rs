//! Which manifests of an index are wanted.

use serde_json::Value;

use crate::store::Descriptor;

/// Platforms of images that exist for several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// Every one. Indexes keep their digest.
    #[default]
    All,
    /// These, `linux/amd64`; the index stays as it is, with its digest, and names manifests that are not copied. Some
    /// registries refuse such a *sparse* index.
    Sparse(Vec<String>),
    /// These; an index is replaced by a new one that names only them, so its digest is another one. Where only one is
    /// left it is still an index.
    Rewritten(Vec<String>),
}

impl Platforms {
    /// Whether a manifest of an index is wanted.
    pub(crate) fn want(&self, descriptor: &Descriptor) -> bool {
        let (Self::Sparse(wanted) | Self::Rewritten(wanted)) = self else { return true };
        let text = |key: &str| {
            let platform = descriptor.platform.as_ref();
            platform.and_then(|p| p.get(key)).and_then(Value::as_str).unwrap_or_default()
        };
        let (os, architecture, variant) = (text("os"), text("architecture"), text("variant"));
        wanted.iter().any(|wanted| {
            let mut parts = wanted.splitn(3, '/');
            parts.next() == Some(os)
                && parts.next() == Some(architecture)
                && parts.next().is_none_or(|wanted| wanted == variant)
        })
    }

    pub(crate) fn rewrites(&self) -> bool {
        matches!(self, Self::Rewritten(_))
    }

    /// The bytes of an index without what is not wanted, or `None` where all of it is. The same every time.
    pub(crate) fn rewrite(&self, bytes: &[u8], children: &[Descriptor]) -> Option<Vec<u8>> {
        if !self.rewrites() || children.iter().all(|child| self.want(child)) {
            return None;
        }
        let mut index: Value = serde_json::from_slice(bytes).ok()?;
        let manifests = index.get_mut("manifests")?.as_array_mut()?;
        let mut wanted = children.iter().map(|child| self.want(child));
        manifests.retain(|_| wanted.next().unwrap_or(false));
        serde_json::to_vec(&index).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn child(os: &str, architecture: &str, variant: Option<&str>) -> Descriptor {
        let mut platform = serde_json::json!({ "os": os, "architecture": architecture });
        variant.into_iter().for_each(|v| platform["variant"] = v.into());
        Descriptor { platform: Some(platform), ..Descriptor::new("m", &Digest::of(os.as_bytes()), 1) }
    }

    #[test]
    fn platforms_are_chosen_by_name() {
        let only = Platforms::Sparse(vec!["linux/amd64".into(), "linux/arm/v7".into()]);
        assert!(only.want(&child("linux", "amd64", None)) && only.want(&child("linux", "arm", Some("v7"))));
        assert!(!only.want(&child("linux", "arm", Some("v6"))) && !only.want(&child("unknown", "unknown", None)));
        assert!(Platforms::All.want(&child("unknown", "unknown", None)));
    }

    #[test]
    fn a_new_index_names_only_what_is_wanted() {
        let children = [child("linux", "amd64", None), child("windows", "amd64", None)];
        let bytes = serde_json::to_vec(&serde_json::json!({ "schemaVersion": 2, "manifests": children })).unwrap();
        let only = Platforms::Rewritten(vec!["linux/amd64".into()]);
        let new: Value = serde_json::from_slice(&only.rewrite(&bytes, &children).unwrap()).unwrap();
        assert_eq!(new["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(new["manifests"][0]["platform"]["os"], "linux");
        assert!(only.rewrite(&bytes, &children[..1]).is_none() && Platforms::All.rewrite(&bytes, &children).is_none());
    }
}

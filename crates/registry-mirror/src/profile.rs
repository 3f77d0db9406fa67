//! Image profiles: which images a lab needs, why, and where to look for them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::image_name::ImageName;
use crate::{Image, RegistryError, Source};

const CORE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/core.toml"));
const FULL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/full.toml"));

/// The images of a lab.
///
/// ```
/// let full = registry_mirror::Profile::named("full")?;
/// assert_eq!(full.select(&[])?.len(), 28);
/// assert_eq!(full.select(&["ha".into()])?.len(), 30);
/// assert_eq!(registry_mirror::Profile::named("core")?.select(&[])?.len(), 13);
/// # Ok::<(), registry_mirror::RegistryError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The images, in the order of the file, those of the profile it extends first.
    pub images: Vec<ProfileImage>,
}

/// One image of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileImage {
    /// The name under which nodes ask for it.
    pub name: String,
    /// What needs it.
    pub required_by: String,
    /// Only with this feature.
    #[serde(default)]
    pub feature: Option<String>,
    /// Whether a person may have to bring it: its usual source was closed.
    #[serde(default)]
    pub manual: bool,
    /// Bytes of all its blobs, once known.
    #[serde(default)]
    pub size: Option<u64>,
    /// Where to look for it, in this order.
    pub sources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    extends: Option<String>,
    #[serde(default)]
    image: Vec<ProfileImage>,
}

impl Profile {
    /// `core`, `full`, or a file.
    ///
    /// # Errors
    /// [`RegistryError::Profile`], [`RegistryError::File`].
    pub fn named(name: &str) -> Result<Self, RegistryError> {
        match name {
            "core" => Self::parse(name, CORE),
            "full" => Self::parse(name, FULL),
            file => {
                let path = Path::new(file);
                let text = std::fs::read_to_string(path).map_err(RegistryError::file(path, "read"))?;
                Self::parse(file, &text)
            }
        }
    }

    /// Reads a profile's text. `origin` names it in errors.
    ///
    /// # Errors
    /// [`RegistryError::Profile`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, RegistryError> {
        let fail = |why: String| RegistryError::Profile { origin: origin.to_owned(), why };
        let text: Text = toml::from_str(text).map_err(|e| fail(e.to_string()))?;
        let mut images = match text.extends.as_deref() {
            None => Vec::new(),
            Some("core") => Self::parse("core", CORE)?.images,
            Some(other) => return Err(fail(format!("extends {other:?}; only \"core\" can be extended"))),
        };
        for image in text.image {
            if images.iter().any(|earlier| earlier.name == image.name) {
                return Err(fail(format!("{} is there twice", image.name)));
            }
            for name in image.sources.iter().chain([&image.name]) {
                name.parse::<ImageName>().map_err(|_| fail(format!("{name:?} is not an image's name")))?;
            }
            images.push(image);
        }
        Ok(Self { images })
    }

    /// The images with these features.
    ///
    /// # Errors
    /// [`RegistryError::Profile`] for a feature that no image has.
    pub fn select(&self, features: &[String]) -> Result<Vec<&ProfileImage>, RegistryError> {
        let known = self.features();
        if let Some(unknown) = features.iter().find(|f| !known.contains(&f.as_str())) {
            let why = format!("no feature is called {unknown:?}; there are: {}", known.join(", "));
            return Err(RegistryError::Profile { origin: "profile".into(), why });
        }
        let wanted = |image: &&ProfileImage| image.feature.as_ref().is_none_or(|feature| features.contains(feature));
        Ok(self.images.iter().filter(wanted).collect())
    }

    /// The features that add images, in the order of the file.
    pub fn features(&self) -> Vec<&str> {
        let mut features: Vec<&str> = self.images.iter().filter_map(|image| image.feature.as_deref()).collect();
        features.dedup();
        features
    }
}

impl ProfileImage {
    /// The image with its sources: archives that a person brought come first. `beside` is the folder for those.
    pub fn wanted(&self, beside: Option<&Path>) -> Image {
        let file = beside.map(|dir| dir.join(self.file_name())).filter(|file| file.exists());
        let registry = |reference: &String| Source::Registry { reference: reference.clone(), ca_pem: None };
        let sources = file.map(Source::File).into_iter().chain(self.sources.iter().map(registry)).collect();
        Image { reference: self.name.clone(), digest: None, sources }
    }

    /// The name of the archive in which a person brings it.
    pub fn file_name(&self) -> String {
        format!("{}.tar", self.name.replace(['/', ':'], "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_hold_what_is_promised() {
        let full = Profile::named("full").unwrap();
        assert_eq!(full.features(), ["ha", "upgrade", "notification", "alerting", "events", "grafana"]);
        let all: Vec<String> = full.features().into_iter().map(str::to_owned).collect();
        assert_eq!(full.select(&all).unwrap().len(), 28 + 18);
        assert!(full.select(&["colour".into()]).unwrap_err().to_string().contains("grafana"));
        assert!(full.images.iter().all(|i| i.sources[0] == i.name), "the first source is the image itself");
    }

    #[test]
    fn mistakes_are_named() {
        let image = "[[image]]\nname = \"a/b:1\"\nrequired_by = \"x\"\nsources = [\"a/b:1\"]\n";
        let cases = [
            (format!("{image}{image}"), "twice"),
            (format!("extends = \"more\"\n{image}"), "extends"),
            (image.replace("a/b:1", "A B"), "not an image's name"),
            (format!("{image}colour = 1\n"), "colour"),
        ];
        for (text, why) in cases {
            let error = Profile::parse("profile.toml", &text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

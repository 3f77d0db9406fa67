//! `airlab.lock`: which files from outside, in which version, with which content.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ArtifactError;

/// The content of a lock file.
///
/// ```
/// let lock = artifacts::Lock::parse("airlab.lock", r#"
///     [[artifact]]
///     name = "k3s"
///     kind = "k3s"
///     version = "v1.33.4+k3s1"
///     size = 74448896
///     sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
///     sources = ["downloads/k3s"]
/// "#)?;
/// assert_eq!(lock.find("k3s").unwrap().version, "v1.33.4+k3s1");
/// assert_eq!(artifacts::Lock::parse("again", &lock.render())?, lock);
/// # Ok::<(), artifacts::ArtifactError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The files, in the order of the lock file.
    #[serde(default, rename = "artifact", skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Pin>,
    /// The container images, in the order of the lock file.
    #[serde(default, rename = "image", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImagePin>,
}

/// One container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePin {
    /// Its name, unique in the lock: `docker.io/library/nginx:1.27`.
    pub name: String,
    /// The digest of its manifest or index, `sha256:<hex>`.
    pub digest: String,
    /// Bytes of everything that belongs to it.
    pub size: u64,
}

/// One file from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its name, unique in the lock.
    pub name: String,
    /// What it is for: `iso`, `k3s`, `airgap-images`, `chart` ...
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Where to get it, in this order: paths (relative to the lock file) and `https://` addresses.
    pub sources: Vec<String>,
}

impl Lock {
    /// Reads a lock file; relative paths in it become relative to its folder.
    ///
    /// # Errors
    /// [`ArtifactError::File`] or [`ArtifactError::Lock`].
    pub fn load(path: &Path) -> Result<Self, ArtifactError> {
        let mut lock = Self::load_as_is(path)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        for source in lock.artifacts.iter_mut().flat_map(|pin| &mut pin.sources) {
            if !is_address(source) {
                *source = dir.join(&*source).display().to_string();
            }
        }
        Ok(lock)
    }

    /// Reads a lock file to change and write it: paths in it stay as they are.
    ///
    /// # Errors
    /// [`ArtifactError::File`] or [`ArtifactError::Lock`].
    pub fn load_as_is(path: &Path) -> Result<Self, ArtifactError> {
        let text = std::fs::read_to_string(path).map_err(ArtifactError::file(path, "read"))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a lock file's text. `origin` names it in errors.
    ///
    /// # Errors
    /// [`ArtifactError::Lock`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, ArtifactError> {
        let fail = |why: String| ArtifactError::Lock { origin: origin.to_owned(), why };
        let lock: Self = toml::from_str(text).map_err(|e| fail(e.to_string()))?;
        for (i, pin) in lock.artifacts.iter().enumerate() {
            pin.validate().map_err(|why| fail(format!("{}: {why}", pin.name)))?;
            if lock.artifacts[..i].iter().any(|earlier| earlier.name == pin.name) {
                return Err(fail(format!("{} is there twice", pin.name)));
            }
        }
        for (i, image) in lock.images.iter().enumerate() {
            let hex = image.digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
                return Err(fail(format!("{}: the digest must be sha256: and 64 hexadecimal digits", image.name)));
            }
            if lock.images[..i].iter().any(|earlier| earlier.name == image.name) {
                return Err(fail(format!("{} is there twice", image.name)));
            }
        }
        Ok(lock)
    }

    /// The image called `name`.
    pub fn image(&self, name: &str) -> Option<&ImagePin> {
        self.images.iter().find(|image| image.name == name)
    }

    /// Pins an image, in place of an earlier pin of the same name; says whether that changed anything.
    pub fn pin_image(&mut self, pin: ImagePin) -> bool {
        match self.images.iter_mut().find(|image| image.name == pin.name) {
            Some(same) if *same == pin => return false,
            Some(other) => *other = pin,
            None => self.images.push(pin),
        }
        true
    }

    /// Pins a file, in place of an earlier pin of the same name; says whether that changed anything. Pins lie in the
    /// order of their names, so that the same pins are the same text.
    pub fn pin(&mut self, pin: Pin) -> bool {
        let changed = match self.artifacts.iter_mut().find(|same| same.name == pin.name) {
            Some(same) if *same == pin => false,
            Some(other) => {
                *other = pin;
                true
            }
            None => {
                self.artifacts.push(pin);
                true
            }
        };
        self.artifacts.sort_by(|a, b| a.name.cmp(&b.name));
        changed
    }

    /// The lock file's text.
    pub fn render(&self) -> String {
        toml::to_string(self).expect("strings, numbers and lists of them are always TOML")
    }

    /// The file called `name`.
    pub fn find(&self, name: &str) -> Option<&Pin> {
        self.artifacts.iter().find(|pin| pin.name == name)
    }
}

impl Pin {
    fn validate(&self) -> Result<(), String> {
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("sha256 must be 64 hexadecimal digits".into());
        }
        if self.name.is_empty() {
            return Err("a name is missing".into());
        }
        match self.sources.iter().find(|s| s.contains("://") && !is_address(s)) {
            Some(source) => Err(format!("{source} is neither a path nor an https:// address")),
            None => Ok(()),
        }
    }

    /// Sources on this computer.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.sources.iter().filter(|s| !is_address(s)).map(PathBuf::from)
    }

    /// Sources elsewhere.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(String::as_str).filter(|s| is_address(s))
    }
}

fn is_address(source: &str) -> bool {
    source.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use steps::Problem;

    use super::*;

    #[test]
    fn pins_lie_in_the_order_of_their_names() {
        let text = |name: &str| pin(&"a".repeat(64), "x").replace("name = \"a\"", &format!("name = \"{name}\""));
        let one = |name: &str| Lock::parse("lock", &text(name)).unwrap().artifacts.remove(0);
        let (mut lock, mut other) = (Lock::default(), Lock::default());
        assert!(lock.pin(one("b")) && lock.pin(one("a")) && other.pin(one("a")) && other.pin(one("b")));
        assert_eq!(lock.render(), other.render());
        assert!(!lock.pin(one("a")));
        assert!(lock.pin(Pin { size: 7, ..one("a") }));
        assert_eq!(lock.find("a").unwrap().size, 7);
    }

    fn pin(sha256: &str, source: &str) -> String {
        format!(
            "[[artifact]]\nname = \"a\"\nkind = \"k\"\nversion = \"1\"\nsize = 1\nsha256 = \"{sha256}\"\nsources = [\"{source}\"]\n"
        )
    }

    #[test]
    fn paths_are_relative_to_the_lock_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("airlab.lock");
        std::fs::write(&file, pin(&"a".repeat(64), "downloads/a")).unwrap();
        let lock = Lock::load(&file).unwrap();
        assert_eq!(lock.artifacts[0].paths().next(), Some(dir.path().join("downloads/a")));
    }

    #[test]
    fn mistakes_are_named() {
        let good = pin(&"a".repeat(64), "x");
        let cases = [
            (pin("short", "x"), "64 hexadecimal"),
            (pin(&"a".repeat(64), "http://plain/x"), "neither a path nor an https"),
            (format!("{good}{good}"), "twice"),
            (format!("{good}colour = 1\n"), "colour"),
            ("[[image]]\nname = \"a\"\nsize = 1\ndigest = \"sha256:A\"\n".to_owned(), "sha256: and 64"),
            ("artifact = 7".to_owned(), "artifact"),
        ];
        for (text, why) in cases {
            let error = Lock::parse("airlab.lock", &text).unwrap_err();
            assert_eq!(error.id(), "AL-ART-005");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

//! What the suite is asked for on its command line.

use crate::proof::{Fail, fail};

/// What the suite was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// A k3s and its air-gap images, instead of the stand-in: the true one.
    pub(crate) real: Option<Files>,
    /// Another k3s and its images, to upgrade to.
    pub(crate) next: Option<Files>,
}

/// A k3s program and the images that belong to it.
pub(crate) type Files = (String, String);

impl Asked {
    /// `--k3s FILE --airgap FILE`, with them `--next-k3s FILE --next-airgap FILE`, in any order; or nothing.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Fail> {
        let mut given = [const { None::<String> }; 4];
        const NAMES: [&str; 4] = ["--k3s", "--airgap", "--next-k3s", "--next-airgap"];
        for pair in words.chunks(2) {
            let Some(place) = NAMES.iter().position(|name| *name == pair[0]) else {
                fail!("{} is not known; known: {}", pair[0], NAMES.join(", "))
            };
            let Some(path) = pair.get(1) else { fail!("{} wants a file", pair[0]) };
            let path = std::path::absolute(path)?;
            if !path.is_file() {
                fail!("{} {}: there is no such file", pair[0], path.display())
            }
            if given[place].replace(path.display().to_string()).is_some() {
                fail!("{} is given twice", pair[0])
            }
        }
        let [k3s, airgap, next, next_airgap] = given;
        let both = |k3s: Option<String>, airgap: Option<String>, names: &[&str]| match (k3s, airgap) {
            (Some(k3s), Some(airgap)) => Ok(Some((k3s, airgap))),
            (None, None) => Ok(None),
            _ => Err(Fail(format!("{} belong together", names.join(" and ")))),
        };
        let asked = Self { real: both(k3s, airgap, &NAMES[..2])?, next: both(next, next_airgap, &NAMES[2..])? };
        if asked.next.is_some() && asked.real.is_none() {
            fail!("{} wants {} too", NAMES[2], NAMES[0])
        }
        Ok(asked)
    }

    /// The same as words for `airlab`.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.real.iter().flat_map(|(k3s, airgap)| ["--k3s", k3s, "--airgap", airgap]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_files_are_taken_in_any_order_and_mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path.display().to_string()
        };
        let (k3s, airgap) = (file("k3s"), file("airgap.tar"));
        assert_eq!(Asked::parse(&[]).unwrap(), Asked::default());
        let asked = Asked::parse(&["--airgap", &airgap, "--k3s", &k3s]).unwrap();
        assert_eq!(asked.words(), ["--k3s", &k3s, "--airgap", &airgap]);
        let mistake = |words: &[&str]| Asked::parse(words).unwrap_err().0;
        assert!(mistake(&["--k3s", &k3s]).contains("--airgap"));
        assert!(mistake(&["--k3s"]).contains("wants a file"));
        assert!(mistake(&["--k3s", "/nowhere/k3s", "--airgap", &airgap]).contains("no such file"));
        assert!(mistake(&["--k4s", &k3s]).contains("known: --k3s"));
        assert!(mistake(&["--k3s", &k3s, "--k3s", &k3s, "--airgap", &airgap]).contains("twice"));
        assert!(mistake(&["--next-k3s", &k3s, "--next-airgap", &airgap]).contains("--k3s too"));
    }
}

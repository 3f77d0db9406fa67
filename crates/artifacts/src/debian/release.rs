//! The list of a repository's lists: `InRelease` or `Release`.

use sha2::{Digest, Sha256};

use crate::ArtifactError;
use crate::artifact::compare;

/// The digests that a repository gives for its lists. [`Release::signed_by`] verifies who signed it, `parse` does not.
///
/// ```
/// let text = format!("Suite: jammy\nSHA256:\n {} 3 main/binary-amd64/Packages\n", "b".repeat(64));
/// let release = artifacts::debian::Release::parse("Release", &text)?;
/// assert!(release.check("main/binary-amd64/Packages", b"abc").is_err());
/// # Ok::<(), artifacts::ArtifactError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    origin: String,
    /// Path, size, SHA-256.
    lists: Vec<(String, u64, String)>,
}

impl Release {
    /// Reads the file's text. Of a signed one only what stands inside the signature is read.
    ///
    /// # Errors
    /// [`ArtifactError::Index`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, ArtifactError> {
        let fail = |why: &str| ArtifactError::Index { origin: origin.to_owned(), why: why.to_owned() };
        let text = signed(text).map_err(fail)?;
        let mut lists = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if !line.starts_with(' ') {
                inside = line.trim_end().eq_ignore_ascii_case("sha256:");
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ([sha256, size, path], true) = (words.as_slice(), inside) {
                let size = size.parse().map_err(|_| fail("a size is not a number"))?;
                if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(fail("a SHA-256 is not 64 hexadecimal digits"));
                }
                lists.push(((*path).to_owned(), size, sha256.to_ascii_lowercase()));
            }
        }
        if lists.is_empty() {
            return Err(fail("there is no list of SHA-256 in it"));
        }
        Ok(Self { origin: origin.to_owned(), lists })
    }

    /// Checks a list that lies at `path` in the repository's folder, `main/binary-amd64/Packages.gz`.
    ///
    /// # Errors
    /// [`ArtifactError::WrongSize`], [`ArtifactError::WrongDigest`], or [`ArtifactError::Index`] where it is not named.
    pub fn check(&self, path: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        let Some((_, size, sha256)) = self.lists.iter().find(|(listed, ..)| listed == path) else {
            let why = format!("it does not name {path}");
            return Err(ArtifactError::Index { origin: self.origin.clone(), why });
        };
        let (name, origin, got) = (path.to_owned(), format!("the list beside {}", self.origin), bytes.len() as u64);
        if *size != got {
            return Err(ArtifactError::WrongSize { name, origin, wanted: *size, got });
        }
        compare(path, &origin, Some(sha256), &hex::encode(Sha256::digest(bytes)))
    }
}

/// The text of a clear-signed message (RFC 4880 §7), or all of an unsigned one.
fn signed(text: &str) -> Result<String, &'static str> {
    const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
    const END: &str = "-----BEGIN PGP SIGNATURE-----";
    let Some(rest) = text.strip_prefix(BEGIN) else {
        return match text.contains("-----BEGIN PGP") {
            true => Err("something stands before its signed part"),
            false => Ok(text.to_owned()),
        };
    };
    let mut lines = rest.lines().skip_while(|line| !line.trim().is_empty()).skip(1);
    let mut message = String::new();
    for line in lines.by_ref() {
        if line.trim_end() == END {
            return Ok(message);
        }
        message.push_str(line.strip_prefix("- ").unwrap_or(line));
        message.push('\n');
    }
    Err("its signature is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_the_signature_counts() {
        let (right, wrong) = (hex::encode(Sha256::digest(b"abc")), "0".repeat(64));
        let list = |sha: &str| format!("MD5Sum:\n {wrong} 3 Packages\nSHA256:\n {sha} 3 Packages\n");
        let message = |before: &str, inside: &str, after: &str| {
            format!(
                "{before}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{inside}-----BEGIN PGP SIGNATURE-----\n\niQ\n\
                 -----END PGP SIGNATURE-----\n{after}"
            )
        };
        let check = |text: &str| Release::parse("InRelease", text).and_then(|r| r.check("Packages", b"abc"));
        check(&list(&right)).unwrap();
        check(&message("", &list(&right), &list(&wrong))).unwrap();
        assert!(check(&message("", &list(&wrong), &list(&right))).is_err());
        assert!(check(&message(&list(&right), &list(&right), "")).is_err());
        assert!(check(&message("", "Suite: x\n", &list(&right))).is_err());
        let cut = message("", &list(&right), "");
        assert!(check(cut.split("-----BEGIN PGP SIGNATURE").next().unwrap()).is_err());
        let release = Release::parse("Release", &list(&right)).unwrap();
        assert!(release.check("Packages", b"abcd").unwrap_err().to_string().contains("4 bytes"));
        assert!(release.check("Other", b"abc").unwrap_err().to_string().contains("does not name Other"));
    }
}

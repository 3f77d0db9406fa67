//! Who signed a repository's release file. `gpgv` looks, as apt lets it: OpenPGP is not ours to read.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};

use super::Release;
use crate::ArtifactError;

const LIMIT: Duration = Duration::from_secs(60);

impl Release {
    /// Reads an `InRelease` file, or a `Release` with `Release.gpg` beside it, that a key of the keyring has signed.
    /// Exactly what gpgv found signed is read, from its output.
    ///
    /// # Errors
    /// [`ArtifactError::Unsigned`] where no key of the keyring has, or there is no gpgv, and those of [`Release::parse`].
    pub fn signed_by(path: &Path, keyring: &Path) -> Result<Self, ArtifactError> {
        let fail = |why: String| ArtifactError::Unsigned {
            origin: path.display().to_string(),
            keyring: keyring.display().to_string(),
            why,
        };
        let read = |path: &Path| std::fs::read(path).map_err(ArtifactError::file(path, "read"));
        // gpgv takes a keyring that is not there for an empty one, and a plain name for one in the home folder
        read(keyring)?;
        let keyring = keyring.canonicalize().map_err(ArtifactError::file(keyring, "read"))?;
        let release = read(path)?;
        let cmd = Cmd::new("gpgv").args(["--status-fd", "2", "--keyring"]).arg(keyring).timeout(LIMIT);
        let detached = path.with_extension("gpg");
        let clear = release.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----");
        let cmd = match clear {
            true => cmd.args(["--output", "-"]).arg(path),
            false if detached.exists() => cmd.arg(&detached).arg(path),
            false => return Err(fail(format!("it is not signed, and {} is not there", detached.display()))),
        };
        let out = Local.run(&cmd).map_err(|e| fail(format!("gpgv does not run: {e}")))?;
        vouched(&out.error_text()).map_err(fail)?;
        let text = if clear { out.stdout } else { release };
        Self::parse(&path.display().to_string(), &String::from_utf8_lossy(&text))
    }
}

/// Whether one signature at least is good, by a digest that cannot be forged, and none is bad. Signatures of keys that
/// are not in the keyring, or are too old, say nothing: distributions sign with several while they change keys.
fn vouched(status: &str) -> Result<(), String> {
    /// SHA-256, SHA-384, SHA-512, SHA-224 (RFC 4880, 9.4).
    const STRONG: [&str; 4] = ["8", "9", "10", "11"];
    let (mut good, mut strong) = (false, false);
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "NEWSIG" => good = false,
            "GOODSIG" => good = true,
            "BADSIG" => return Err("a signature is bad: the file was changed after it was signed".into()),
            // VALIDSIG FINGERPRINT DATE TIMESTAMP EXPIRES VERSION RESERVED KEY-ALGORITHM DIGEST-ALGORITHM ...
            "VALIDSIG" => strong |= good && words.get(8).is_some_and(|digest| STRONG.contains(digest)),
            _ => {}
        }
    }
    if strong {
        return Ok(());
    }
    let said = status.lines().filter(|line| !line.starts_with("[GNUPG:]"));
    let said = said.map(|line| line.trim_start_matches("gpgv: ").trim()).filter(|line| !line.is_empty());
    Err(said.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::vouched;

    #[test]
    fn one_good_signature_is_enough_and_a_bad_one_too_much() {
        let valid = |digest: &str| format!("[GNUPG:] VALIDSIG FP 2026-01-01 1 0 4 0 22 {digest} 00 FP\n");
        let good = |digest: &str| format!("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG ID somebody\n{}", valid(digest));
        let unknown = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG ID 1 8 00 1 9 FP\n[GNUPG:] NO_PUBKEY ID\ngpgv: No public key\n";
        vouched(&good("10")).unwrap();
        vouched(&(good("8") + unknown)).unwrap();
        vouched(&(unknown.to_owned() + &good("8"))).unwrap();
        assert_eq!(vouched(unknown).unwrap_err(), "No public key");
        assert!(vouched(&good("2")).is_err(), "SHA-1");
        assert!(vouched(&format!("{}[GNUPG:] NEWSIG\n[GNUPG:] BADSIG ID x\n", good("8"))).is_err());
        let expired = format!("[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG ID somebody\n{}gpgv: expired\n", valid("8"));
        assert_eq!(vouched(&expired).unwrap_err(), "expired");
        assert!(vouched("").is_err());
    }
}

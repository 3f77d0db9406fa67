//! Names and passwords from docker's and podman's files and their helper programs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use secrecy::SecretString;
use serde::Deserialize;

/// Docker Hub's name in these files.
const HUB: &str = "https://index.docker.io/v1/";

/// What a registry is shown.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// A name and a password.
    Password { user: String, password: SecretString },
    /// A token that is changed for others (docker's "identity token").
    Token(SecretString),
}

/// A name and a password, sent as they are (basic authentication).
#[derive(Debug, Clone)]
pub struct BasicLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// The files that name logins, in the order in which they are asked. Read anew for every registry.
///
/// ```
/// let file = tempfile::NamedTempFile::new().unwrap();
/// std::fs::write(file.path(), r#"{"auths":{"quay.io":{"auth":"dXNlcjpzZWNyZXQ="}}}"#).unwrap();
/// let credentials = registry_mirror::Credentials::in_files([file.path().to_owned()]);
/// assert!(credentials.knows("quay.io") && !credentials.knows("ghcr.io"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    files: Vec<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: HashMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

impl Credentials {
    /// No logins: every registry is read anonymously.
    pub fn none() -> Self {
        Self::default()
    }

    /// Logins of these files.
    pub fn in_files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// The files that docker, podman and skopeo use: `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, podman's `auth.json`,
    /// docker's `config.json`.
    pub fn of_user() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = var("HOME").or_else(|| var("USERPROFILE"));
        let files = [
            var("REGISTRY_AUTH_FILE"),
            var("DOCKER_CONFIG").map(|dir| dir.join("config.json")),
            var("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
            home.map(|home| home.join(".docker/config.json")),
        ];
        Self { files: files.into_iter().flatten().collect() }
    }

    /// Whether there is a login for a registry.
    pub fn knows(&self, registry: &str) -> bool {
        self.login(registry).is_some()
    }

    /// The name and password for a registry; `None` where there is no login, or only a token that is changed for others.
    pub fn basic(&self, registry: &str) -> Option<BasicLogin> {
        match self.login(registry)? {
            Login::Password { user, password } => Some(BasicLogin { user, password }),
            Login::Token(_) => None,
        }
    }

    /// The login for a registry, from the first file that has one.
    pub(crate) fn login(&self, registry: &str) -> Option<Login> {
        self.files.iter().find_map(|file| of_file(file, registry))
    }
}

fn of_file(file: &Path, registry: &str) -> Option<Login> {
    let text = std::fs::read(file).ok()?;
    let config: Config = match serde_json::from_slice(&text) {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "not a file of logins");
            return None;
        }
    };
    let names = names(registry);
    let helper = names.iter().find_map(|name| config.cred_helpers.get(name));
    if let Some(login) = helper.and_then(|helper| names.iter().find_map(|name| helped(helper, name))) {
        return Some(login);
    }
    if let Some(login) = names.iter().find_map(|name| plain(config.auths.get(name)?)) {
        return Some(login);
    }
    config.creds_store.and_then(|helper| names.iter().find_map(|name| helped(&helper, name)))
}

/// The names under which a registry may stand in a file.
fn names(registry: &str) -> Vec<String> {
    let mut names = vec![registry.to_owned(), format!("https://{registry}"), format!("https://{registry}/v2/")];
    if matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        names.insert(0, HUB.to_owned());
        names.push("docker.io".to_owned());
    }
    names
}

fn plain(entry: &Entry) -> Option<Login> {
    use base64::Engine as _;
    let full = |text: &String| !text.is_empty();
    if let Some(token) = entry.identitytoken.clone().filter(full) {
        return Some(Login::Token(token.into()));
    }
    if let (Some(user), Some(password)) = (&entry.username, entry.password.clone().filter(full)) {
        return Some(Login::Password { user: user.clone(), password: password.into() });
    }
    let auth = entry.auth.clone().filter(full)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(auth.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Login::Password { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned().into() })
}

/// Asks `docker-credential-NAME get` (docker/docker-credential-helpers).
fn helped(helper: &str, registry: &str) -> Option<Login> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if helper.is_empty() || !helper.chars().all(plain) {
        return None;
    }
    let cmd = Cmd::new(format!("docker-credential-{helper}")).arg("get");
    let out = Local.run(&cmd.stdin(registry).timeout(Duration::from_secs(20))).ok().filter(|out| out.code == 0)?;
    let Helped { username, secret } = serde_json::from_slice(&out.stdout).ok()?;
    Some(match username.as_str() {
        "<token>" => Login::Token(secret.into()),
        _ => Login::Password { user: username, password: secret.into() },
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn login(config: &str, registry: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config).unwrap();
        let found = Credentials::in_files([PathBuf::from("/no/such"), file.path().to_owned()]).login(registry)?;
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
        Some(match found {
            Login::Password { user, password } => format!("{user}:{}", password.expose_secret()),
            Login::Token(token) => format!("token {}", token.expose_secret()),
        })
    }

    #[test]
    fn logins_are_found_under_every_name() {
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpzZWNyZXQ="}}}"#;
        assert_eq!(login(hub, "docker.io").as_deref(), Some("user:secret"));
        assert_eq!(login(hub, "quay.io"), None);
        let plain = r#"{"auths":{"r:5000":{"username":"u","password":"secret"},"t":{"identitytoken":"secret"}}}"#;
        assert_eq!(login(plain, "r:5000").as_deref(), Some("u:secret"));
        assert_eq!(login(plain, "t").as_deref(), Some("token secret"));
        for bad in ["", "[]", "{", r#"{"auths":{"r":{"auth":"%%%"}}}"#, r#"{"credsStore":"../x"}"#] {
            assert_eq!(login(bad, "r"), None, "{bad}");
        }
    }

    #[test]
    fn a_helper_that_is_not_there_gives_none() {
        assert_eq!(login(r#"{"credHelpers":{"r":"no-such-helper-here"}}"#, "r"), None);
    }
}

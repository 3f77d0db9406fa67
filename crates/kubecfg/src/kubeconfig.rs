//! One cluster's own kubeconfig.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{KubecfgError, document};

/// One cluster, one user, one context, all under one name, with certificates and key inside.
///
/// ```
/// let admin = kubecfg::Kubeconfig::admin("demo", "https://192.168.6.10:6443", "CA", "CERT", &"KEY".into());
/// let moved = admin.with_server("https://127.0.0.1:40123").renamed("other");
/// let again = kubecfg::Kubeconfig::parse(secrecy::ExposeSecret::expose_secret(&moved.render().unwrap())).unwrap();
/// assert_eq!((again.name(), again.server()), ("other", "https://127.0.0.1:40123"));
/// ```
#[derive(Debug, Clone)]
pub struct Kubeconfig {
    name: String,
    pub(crate) cluster: Cluster,
    pub(crate) user: User,
    namespace: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Cluster {
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) certificate_authority_data: String,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) insecure_skip_tls_verify: bool,
    pub(crate) server: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tls_server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) proxy_url: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) certificate: String,
    pub(crate) key: SecretString,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserText {
    client_certificate_data: String,
    client_key_data: String,
}

#[derive(Serialize, Deserialize)]
struct Context {
    cluster: String,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    namespace: Option<String>,
}

#[derive(Serialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Serialize)]
struct NamedUser {
    name: String,
    user: UserText,
}

#[derive(Serialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: [NamedCluster; 1],
    users: [NamedUser; 1],
    contexts: [NamedContext; 1],
    current_context: String,
}

impl Kubeconfig {
    /// A kubeconfig made from PEM texts, without asking the cluster.
    pub fn admin(name: &str, server: &str, ca_pem: &str, cert_pem: &str, key_pem: &SecretString) -> Self {
        let cluster = Cluster {
            certificate_authority_data: STANDARD.encode(ca_pem),
            server: server.to_owned(),
            insecure_skip_tls_verify: false,
            tls_server_name: None,
            proxy_url: None,
        };
        let user =
            User { certificate: STANDARD.encode(cert_pem), key: STANDARD.encode(key_pem.expose_secret()).into() };
        Self { name: name.to_owned(), cluster, user, namespace: None }
    }

    /// Reads the current context of a kubeconfig whose certificates and key are inside, as k3s writes it.
    pub fn parse(text: &str) -> Result<Self, KubecfgError> {
        Self::select(text, None)
    }

    /// Reads one context, the current one where none is named. Only its own entries have to be readable: a file may
    /// hold other people's, who log in otherwise.
    ///
    /// # Errors
    /// [`KubecfgError::NotAKubeconfig`] where it is not there, or its certificates and key are not inside.
    pub fn select(text: &str, context: Option<&str>) -> Result<Self, KubecfgError> {
        let bad = |reason: String| KubecfgError::NotAKubeconfig { reason };
        let document = document::parse(text)?;
        let name = context.or_else(|| document::current(&document)).unwrap_or_default();
        let read = |section: &'static str, name: &str| {
            let found = document::entry(&document, section, name);
            found.ok_or_else(|| bad(format!("no {} {name}", section.trim_end_matches('s'))))
        };
        let context: Context = typed("context", read("contexts", name)?)?;
        let cluster: Cluster = typed("cluster", read("clusters", &context.cluster)?)?;
        let user: UserText = typed("user", read("users", &context.user)?)?;
        let user = User { certificate: user.client_certificate_data, key: user.client_key_data.into() };
        Ok(Self { name: name.to_owned(), cluster, user, namespace: context.namespace })
    }

    /// Name of cluster, user and context.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Address of the API.
    pub fn server(&self) -> &str {
        &self.cluster.server
    }

    /// The same with another address of the API.
    pub fn with_server(mut self, server: &str) -> Self {
        server.clone_into(&mut self.cluster.server);
        self
    }

    /// The same, expecting this name in the API's certificate instead of the address.
    pub fn with_tls_server_name(mut self, name: &str) -> Self {
        self.cluster.tls_server_name = Some(name.to_owned());
        self
    }

    /// The same without any check of who answers: for a person who asked for exactly that.
    pub fn insecure(mut self) -> Self {
        self.cluster.certificate_authority_data.clear();
        self.cluster.insecure_skip_tls_verify = true;
        self
    }

    /// Whether it does without checking who answers.
    pub fn is_insecure(&self) -> bool {
        self.cluster.insecure_skip_tls_verify
    }

    /// The authority behind the API's certificate, as PEM.
    ///
    /// # Errors
    /// [`KubecfgError::NotAKubeconfig`] where there is none, or it is no PEM text in base64.
    pub fn authority(&self) -> Result<String, KubecfgError> {
        decoded(&self.cluster.certificate_authority_data, "certificate-authority-data")
    }

    /// The user's certificate, as PEM.
    ///
    /// # Errors
    /// As [`Kubeconfig::authority`].
    pub fn certificate(&self) -> Result<String, KubecfgError> {
        decoded(&self.user.certificate, "client-certificate-data")
    }

    pub(crate) fn key(&self) -> Result<SecretString, KubecfgError> {
        decoded(self.user.key.expose_secret(), "client-key-data").map(SecretString::from)
    }

    /// The same with the namespace that a person chose for it.
    pub(crate) fn with_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned).or(self.namespace);
        self
    }

    /// The same under another name.
    pub fn renamed(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A whole file with nothing else in it.
    pub fn render(&self) -> Result<SecretString, KubecfgError> {
        let document = Document {
            api_version: "v1",
            kind: "Config",
            clusters: [self.named_cluster()],
            users: [self.named_user()],
            contexts: [self.named_context()],
            current_context: self.name.clone(),
        };
        yaml(&document).map(SecretString::from)
    }

    fn named_cluster(&self) -> NamedCluster {
        NamedCluster { name: self.name.clone(), cluster: self.cluster.clone() }
    }

    fn named_user(&self) -> NamedUser {
        let user = UserText {
            client_certificate_data: self.user.certificate.clone(),
            client_key_data: self.user.key.expose_secret().to_owned(),
        };
        NamedUser { name: self.name.clone(), user }
    }

    fn named_context(&self) -> NamedContext {
        let (cluster, user) = (self.name.clone(), self.name.clone());
        let context = Context { cluster, user, namespace: self.namespace.clone() };
        NamedContext { name: self.name.clone(), context }
    }

    /// Our entry of each section as the lines of a block list with one item.
    pub(crate) fn items(&self) -> Result<[(&'static str, String); 3], KubecfgError> {
        Ok([
            ("clusters", yaml(&[self.named_cluster()])?),
            ("users", yaml(&[self.named_user()])?),
            ("contexts", yaml(&[self.named_context()])?),
        ])
    }
}

/// What serde has to say may quote the text, which holds a key: only what was looked for goes on.
fn typed<T: serde::de::DeserializeOwned>(what: &str, entry: &Value) -> Result<T, KubecfgError> {
    T::deserialize(&entry[what]).map_err(|_| KubecfgError::NotAKubeconfig {
        reason: format!("{what} {}: certificates and key are not inside", entry["name"].as_str().unwrap_or_default()),
    })
}

fn decoded(text: &str, what: &str) -> Result<String, KubecfgError> {
    let bytes = STANDARD.decode(text.trim()).ok().filter(|b| b.starts_with(b"-----BEGIN"));
    bytes
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(|| KubecfgError::NotAKubeconfig { reason: format!("{what} is not a PEM text in base64") })
}

fn yaml<T: Serialize + ?Sized>(value: &T) -> Result<String, KubecfgError> {
    let options = serde_saphyr::ser_options! { min_fold_chars: usize::MAX, folded_wrap_chars: usize::MAX };
    let written = serde_saphyr::to_string_with_options(&value, options);
    written.map_err(|_| KubecfgError::NotAKubeconfig { reason: "it cannot be written as YAML".into() })
}

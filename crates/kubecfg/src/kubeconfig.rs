//! One cluster's own kubeconfig.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::KubecfgError;

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
    user: User,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Cluster {
    pub(crate) certificate_authority_data: String,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    tls_server_name: Option<String>,
}

#[derive(Debug, Clone)]
struct User {
    certificate: String,
    key: SecretString,
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
}

#[derive(Serialize, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Serialize, Deserialize)]
struct NamedUser {
    name: String,
    user: UserText,
}

#[derive(Serialize, Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

impl Kubeconfig {
    /// A kubeconfig made from PEM texts, without asking the cluster.
    pub fn admin(name: &str, server: &str, ca_pem: &str, cert_pem: &str, key_pem: &SecretString) -> Self {
        let cluster = Cluster {
            certificate_authority_data: STANDARD.encode(ca_pem),
            server: server.to_owned(),
            tls_server_name: None,
        };
        let user =
            User { certificate: STANDARD.encode(cert_pem), key: STANDARD.encode(key_pem.expose_secret()).into() };
        Self { name: name.to_owned(), cluster, user }
    }

    /// Reads the current context of a kubeconfig whose certificates and key are inside, as k3s writes it.
    pub fn parse(text: &str) -> Result<Self, KubecfgError> {
        let bad = |reason: String| KubecfgError::NotAKubeconfig { reason };
        // The parser's message may quote the text, which holds a key: only the place goes on.
        let document: Document = serde_saphyr::from_str(text).map_err(|e| bad(place(&e)))?;
        let current = &document.current_context;
        let context = document.contexts.into_iter().find(|c| c.name == *current);
        let context = context.ok_or_else(|| bad(format!("no context {current}")))?;
        let cluster = document.clusters.into_iter().find(|c| c.name == context.context.cluster);
        let cluster = cluster.ok_or_else(|| bad(format!("no cluster {}", context.context.cluster)))?.cluster;
        let user = document.users.into_iter().find(|u| u.name == context.context.user);
        let user = user.ok_or_else(|| bad(format!("no user {}", context.context.user)))?.user;
        let user = User { certificate: user.client_certificate_data, key: user.client_key_data.into() };
        Ok(Self { name: context.name, cluster, user })
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

    /// The same under another name.
    pub fn renamed(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A whole file with nothing else in it.
    pub fn render(&self) -> Result<SecretString, KubecfgError> {
        let document = Document {
            api_version: "v1".into(),
            kind: "Config".into(),
            clusters: vec![self.named_cluster()],
            users: vec![self.named_user()],
            contexts: vec![self.named_context()],
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
        let context = Context { cluster: self.name.clone(), user: self.name.clone() };
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

fn place(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(at) => format!("line {}, column {}", at.line(), at.column()),
        None => "its structure is another".to_owned(),
    }
}

fn yaml<T: Serialize + ?Sized>(value: &T) -> Result<String, KubecfgError> {
    let options = serde_saphyr::ser_options! { min_fold_chars: usize::MAX, folded_wrap_chars: usize::MAX };
    let written = serde_saphyr::to_string_with_options(&value, options);
    written.map_err(|_| KubecfgError::NotAKubeconfig { reason: "it cannot be written as YAML".into() })
}

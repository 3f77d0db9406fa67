//! Every file a node gets from us, as values.

use machine::RemoteFile;
use secrecy::{ExposeSecret, SecretString};

use crate::{AgentSpec, K3sConfig, K3sError, Node, ServerSpec, Unit};

pub(crate) const K3S: &str = "/usr/local/bin/k3s";
pub(crate) const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
pub(crate) const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";
pub(crate) const RESOLV_CONF: &str = "/etc/rancher/k3s/resolv.conf";
pub(crate) const TOKEN: &str = "/etc/rancher/k3s/token";
pub(crate) const AGENT_TOKEN: &str = "/etc/rancher/k3s/agent-token";
pub(crate) const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
pub(crate) const IMAGES: &str = "/var/lib/rancher/k3s/agent/images";
pub(crate) const FETCH: &str = "/usr/local/sbin/airlab-fetch";
pub(crate) const LOOK: &str = "/usr/local/sbin/k3s-look";
const TLS: &str = "/var/lib/rancher/k3s/server/tls";
const PASSWORD: &str = "/etc/rancher/node/password";
const SCRIPTS: [&str; 2] = [FETCH, LOOK];

fn text(path: impl Into<String>, content: &str, mode: u32) -> RemoteFile {
    RemoteFile { path: path.into(), bytes: content.as_bytes().to_vec(), mode }
}

fn secret(path: &str, secret: &SecretString) -> RemoteFile {
    text(path, &format!("{}\n", secret.expose_secret()), 0o600)
}

pub(crate) fn fetch_script() -> RemoteFile {
    text(FETCH, include_str!("../../../guest/airlab-fetch"), 0o755)
}

fn common(node: &Node, unit: Unit, config: &K3sConfig, token: &SecretString) -> Result<Vec<RemoteFile>, K3sError> {
    let mut files = vec![
        fetch_script(),
        text(LOOK, include_str!("../../../guest/k3s-look"), 0o755),
        text(unit.path(), unit.text(), 0o644),
        text(unit.drop_in(), include_str!("../../../guest/k3s-airlab.conf"), 0o644),
        text(CONFIG, &config.render()?, 0o600),
        text(REGISTRIES, node.registries.expose_secret(), 0o600),
        text(RESOLV_CONF, &format!("nameserver {}\n", node.resolver), 0o644),
        secret(TOKEN, token),
    ];
    files.extend(node.password.iter().map(|password| secret(PASSWORD, password)));
    files.extend(node.files.iter().cloned());
    Ok(files)
}

/// The files of a server.
pub fn server_files(spec: &ServerSpec) -> Result<Vec<RemoteFile>, K3sError> {
    let mut files = common(&spec.node, Unit::Server, &K3sConfig::server(spec), &spec.token)?;
    files.push(secret(AGENT_TOKEN, &spec.agent_token));
    for ca in &spec.cluster_ca {
        files.push(text(format!("{TLS}/{}", ca.path), ca.content.expose_secret(), 0o600));
    }
    Ok(files)
}

/// The files of an agent.
pub fn agent_files(spec: &AgentSpec) -> Result<Vec<RemoteFile>, K3sError> {
    common(&spec.node, Unit::Agent, &K3sConfig::agent(spec), &spec.token)
}

/// Those that k3s reads only when it starts.
pub(crate) fn read_at_start(files: &[RemoteFile], node: &Node) -> Vec<String> {
    let program = node.artifacts.iter().filter(|a| a.mode & 0o111 != 0).map(|a| a.path.clone());
    files.iter().map(|f| f.path.clone()).filter(|path| !SCRIPTS.contains(&path.as_str())).chain(program).collect()
}

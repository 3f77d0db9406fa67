//! The kubeconfig on the host: the lab's own, and its entries in the user's.

use std::path::PathBuf;

use kubecfg::Kubeconfig;
use lab::{Lab, Role};
use secrecy::{ExposeSecret, SecretString};

use crate::nodes::Live;
use crate::run::Run;
use crate::{AirlabError, Context, Facts, Failure};

/// Fetches the administrator's kubeconfig from the first server and puts it on the host: whole beside the lab, merged
/// under the lab's name into the user's own. Foreign entries stay byte for byte.
pub(crate) async fn ensure(run: &Run<'_>, context: &Context, facts: &Facts, live: &[Live]) -> Result<(), Failure> {
    let (lab, files) = (run.lab, run.files);
    let Some(server) = live.iter().find(|l| l.node.role == Role::Server) else { return Ok(()) };
    let text = k3s_bootstrap::kubeconfig(&server.ssh).await?;
    let api = facts.reached_at(&format!("{}:6443", lab.first_server().address));
    let ours = Kubeconfig::parse(text.expose_secret())?.with_server(&format!("https://{api}")).renamed(&lab.name);
    let rendered = ours.render()?;
    let written = machine::write_file(&files.kubeconfig(), rendered.expose_secret().as_bytes(), 0o600)?;
    run.changed_if(written, "kubeconfig written");
    if let Some(path) = users_own(&context.lab) {
        let text = kubecfg::read(&path)?;
        let (merged, _) = kubecfg::merge_into(&text, &ours)?;
        if merged != text {
            kubecfg::save(&path, &merged)?;
            run.changed(format!("{} entries in {}", lab.name, path.display()));
        }
    }
    Ok(())
}

/// The lab's kubeconfig with the API's address as it is inside the lab's network.
pub(crate) fn inside(context: &Context) -> Result<SecretString, Failure> {
    let path = context.files.kubeconfig();
    let text =
        std::fs::read_to_string(&path).map_err(|source| AirlabError::File { path, action: "not read", source })?;
    let server = format!("https://{}:6443", context.lab.first_server().address);
    Ok(Kubeconfig::parse(&text)?.with_server(&server).render()?)
}

/// Takes the lab's entries out of the user's kubeconfig; says which file was changed.
pub(crate) fn remove(context: &Context) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = users_own(&context.lab).filter(|p| p.exists()) else { return Ok(None) };
    let text = kubecfg::read(&path)?;
    // without the lab's own file only what carries our mark is ours
    let own = std::fs::read_to_string(context.files.kubeconfig()).ok().and_then(|text| Kubeconfig::parse(&text).ok());
    let ours = own.unwrap_or_else(|| Kubeconfig::admin("", "", "", "", &SecretString::default()));
    let left = kubecfg::remove_ours(&text, &ours.renamed(&context.lab.name))?;
    if left == text {
        return Ok(None);
    }
    kubecfg::save(&path, &left)?;
    Ok(Some(path))
}

/// The kubeconfig to merge into: the lab file's, the first of `KUBECONFIG`, or `~/.kube/config`.
fn users_own(lab: &Lab) -> Option<PathBuf> {
    if let Some(path) = &lab.kubeconfig {
        return Some(path.clone());
    }
    if let Some(list) = std::env::var_os("KUBECONFIG") {
        return std::env::split_paths(&list).next().filter(|p| !p.as_os_str().is_empty());
    }
    std::env::home_dir().map(|home| home.join(".kube").join("config"))
}

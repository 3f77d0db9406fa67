//! The kubeconfig on the host: the lab's own, and its entries in the user's.

mod place;
mod wsl;

use std::path::PathBuf;

use kubecfg::Kubeconfig;
use lab::{Lab, Role};
use secrecy::{ExposeSecret, SecretString};

pub use place::{Place, PlaceError, places, trust};
pub use wsl::Wsl;

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
    for (n, place) in of_lab(&context.lab).iter().enumerate() {
        match merge(place, &ours) {
            Ok(changed) => run.changed_if(changed, format!("{} entries in {place}", lab.name)),
            // the other side of WSL is a convenience: a cluster is Ready without it
            Err(failure) if n > 0 => run.note("kubeconfig", format!("{place} is left out: {}", failure.problem())),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn merge(place: &Place, ours: &Kubeconfig) -> Result<bool, Failure> {
    let text = place.read()?;
    let (merged, _) = kubecfg::merge_into(&text, ours)?;
    Ok(merged != text && place.save(&merged)?.changed)
}

/// The lab's kubeconfig with the API's address as it is inside the lab's network.
pub(crate) fn inside(context: &Context) -> Result<SecretString, Failure> {
    let path = context.files.kubeconfig();
    let text =
        std::fs::read_to_string(&path).map_err(|source| AirlabError::File { path, action: "not read", source })?;
    let server = format!("https://{}:6443", context.lab.first_server().address);
    Ok(Kubeconfig::parse(&text)?.with_server(&server).render()?)
}

/// Takes the lab's entries out of the user's kubeconfigs; says which were changed, and why one could not be.
pub(crate) fn remove(context: &Context) -> Result<Vec<String>, Failure> {
    // without the lab's own file only what carries our mark is ours
    let own = std::fs::read_to_string(context.files.kubeconfig()).ok().and_then(|text| Kubeconfig::parse(&text).ok());
    let ours = own.unwrap_or_else(|| Kubeconfig::admin("", "", "", "", &SecretString::default()));
    let ours = ours.renamed(&context.lab.name);
    let mut said = Vec::new();
    for (n, place) in of_lab(&context.lab).iter().enumerate() {
        match take_out(place, &ours) {
            Ok(true) => said.push(format!("entries of {} removed from {place}", context.lab.name)),
            Ok(false) => {}
            Err(failure) if n > 0 => said.push(format!("{place} is left as it is: {}", failure.problem())),
            Err(failure) => return Err(failure),
        }
    }
    Ok(said)
}

fn take_out(place: &Place, ours: &Kubeconfig) -> Result<bool, Failure> {
    let text = place.read()?;
    let left = kubecfg::remove_ours(&text, ours)?;
    Ok(left != text && place.save(&left)?.changed)
}

/// The kubeconfigs that the lab goes into: the one its file names and no other, or the user's on both sides of WSL.
fn of_lab(lab: &Lab) -> Vec<Place> {
    match &lab.kubeconfig {
        Some(path) => vec![Place::File(path.clone())],
        None => users_own().map(places).unwrap_or_default(),
    }
}

/// The user's kubeconfig: the first of `KUBECONFIG`, or `~/.kube/config`.
pub fn users_own() -> Option<PathBuf> {
    if let Some(list) = std::env::var_os("KUBECONFIG") {
        return std::env::split_paths(&list).next().filter(|p| !p.as_os_str().is_empty());
    }
    std::env::home_dir().map(|home| home.join(".kube").join("config"))
}

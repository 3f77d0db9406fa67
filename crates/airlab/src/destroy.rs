//! Removing a lab: everything it made, nothing else.

use std::path::{Path, PathBuf};

use steps::Sink;

use crate::registry::Registry;
use crate::run::Run;
use crate::{AirlabError, Context, Destroyed, Failure, golden, hosts, kubeconfig};

/// Leaves existing hosts, removes machines, registry process, network, kubeconfig entries and the lab's folder, in this order. What is gone
/// already is no error. `caches` are only named: they stay.
pub async fn destroy(context: &Context, caches: Vec<PathBuf>, sink: &dyn Sink) -> Result<Destroyed, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let run = Run::new(lab, files, sink);
    let vmrun = context.provider.vmrun();
    if lab.hosts().next().is_some() {
        run.step("hosts", hosts::leave_all(context, &run, context.seen().as_ref())).await?;
    }
    run.step("machines", async {
        for node in lab.machines() {
            let folder = files.machine(&node.name);
            if folder.exists() {
                golden::remove(&vmrun, &files.vmx(&node.name), &folder).await?;
                run.changed(format!("{}: machine and disk deleted", node.name));
            }
        }
        // after the nodes, whose disks are only differences to its own
        for name in golden::found(lab, files) {
            golden::remove(&vmrun, &files.vmx(&name), &files.machine(&name)).await?;
            run.changed(format!("{name}: golden machine deleted"));
        }
        // Where the lab file puts machines elsewhere, the lab's own folder there goes with the last of them.
        if let Some(node) = lab.machines().next() {
            let _ = files.machine(&node.name).parent().map(std::fs::remove_dir);
        }
        Ok(())
    })
    .await?;
    run.step("registry", async {
        if Registry::new(lab, files, "", &context.beside).stop().await? {
            run.changed("registry ended");
        }
        Ok(())
    })
    .await?;
    run.step("kubeconfig", async {
        for said in kubeconfig::remove(context)? {
            run.changed(said);
        }
        Ok(())
    })
    .await?;
    run.step("network", async {
        if files.root().exists() {
            context.provider.network_down()?;
            run.changed("network and forwards removed");
        }
        Ok(())
    })
    .await?;
    run.step("files", async {
        if files.root().exists() {
            remove_dir(files.root())?;
            run.changed(format!("{} deleted", files.root().display()));
        }
        Ok(())
    })
    .await?;
    let kept = caches.into_iter().filter(|c| c.exists()).map(|c| format!("{} (cache)", c.display())).collect();
    Ok(Destroyed { removed: run.changes(), kept })
}

fn remove_dir(dir: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(dir) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(AirlabError::File { path: dir.to_owned(), action: "not deleted", source }.into())
        }
        _ => Ok(()),
    }
}

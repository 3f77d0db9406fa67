//! From nothing to Ready: one plain function that calls plain functions with typed values between them.
//!
//! Every step looks first, changes only what is missing, and looks again. Running it again is how one goes on after an
//! interruption; on a lab that is as wanted it changes nothing.

use std::time::{Instant, SystemTime};

use futures_util::future::try_join_all;
use k3s_bootstrap::Cluster;
use lab::{Create, Role};
use registry_mirror::{Image, MirrorReport, Part};
use steps::Sink;

use crate::golden::{self, Golden};
use crate::images::Payload;
use crate::journal::Journal;
use crate::nodes::{self, Live};
use crate::packages::{self, Stock};
use crate::ready::{Partial, Provisioned, Ready, ReadyNode};
use crate::registry::Registry;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::until::{End, Until};
use crate::{
    AirlabError, Context, Facts, Failure, Sources, bundle, clocks, cluster, conditions, hosts, kubeconfig, leftovers,
    machines, power,
};

/// Brings a lab up from inside its network. The network is up already ([`Context::ensure_network`]) and the caller
/// holds the lab's lock. With `until`, one of [`crate::STEPS`], it ends well after that step.
pub async fn provision(
    context: &Context,
    sources: &Sources,
    facts: &Facts,
    until: Option<&str>,
    sink: &dyn Sink,
) -> Result<Provisioned, Failure> {
    let start = Instant::now();
    let (lab, files) = (&context.lab, &context.files);
    let journal = Journal::open(&files.journal(), sink);
    let sink: &dyn Sink = &journal;
    let run = Run::new(lab, files, sink);
    let provisioned = match all(context, sources, facts, &run, Until(until), start).await {
        Ok(ready) => Provisioned::Ready(Box::new(ready)),
        Err(End::Failed(failure)) => return Err(failure),
        Err(End::Wanted(step)) => {
            let (changes, seconds) = (run.changes(), start.elapsed().as_secs());
            let changed = changes.len();
            Provisioned::Until(Partial { lab: lab.name.clone(), until: step, changed, changes, seconds })
        }
    };
    Ok(provisioned)
}

/// Every step in its order.
async fn all(
    context: &Context,
    sources: &Sources,
    facts: &Facts,
    run: &Run<'_>,
    until: Until<'_>,
    start: Instant,
) -> Result<Ready, End> {
    let (lab, files, sink) = (run.lab, run.files, run.sink);
    let vmrun = context.provider.vmrun();
    // the caller has done these two
    until.after("files")?;
    until.after("network")?;

    // Before anything is made: somebody else's program on the registry's port ends the run, and so does a password that
    // is not taken.
    let chart = crate::kubesphere::chart(lab.kubesphere.as_ref())?;
    let known_ca = std::fs::read_to_string(files.pki().join("ca").join("ca.crt")).unwrap_or_default();
    let before = Registry::new(lab, files, &known_ca, &context.beside);
    before.port_free_or_ours().await?;
    let login = before.login().await?;

    let secrets = run
        .step("keys", async {
            leftovers::sweep(files);
            let (secrets, made) = Secrets::ensure(lab, files, SystemTime::now())?;
            made.into_iter().for_each(|m| run.changed(m));
            Ok(secrets)
        })
        .await?;
    until.after("keys")?;
    let registry = Registry::new(lab, files, secrets.authority.cert_pem(), &context.beside);

    let (payload, stock) = run.step("images", mirror(run, sources)).await?;
    let payload = payload.shown(login);
    until.after("images")?;
    run.step("registry", async {
        registry.ensure(sink).await?.into_iter().for_each(|done| run.changed(done));
        Ok(())
    })
    .await?;
    until.after("registry")?;
    run.step("installer", installer(run, sources)).await?;
    until.after("installer")?;

    let mut golden = None;
    if lab.vm.create == Create::Clone {
        golden = run
            .step("golden", async {
                if golden::to_clone(run)?.is_empty() {
                    return Ok(None);
                }
                let golden = Golden::of(run, &secrets, sources)?;
                golden::ensure(run, &vmrun, &golden).await?;
                Ok(Some(golden))
            })
            .await?;
    }
    until.after("golden")?;

    let seeds = run
        .step("machines", async {
            if let Some(golden) = &golden {
                for node in golden::to_clone(run)? {
                    golden::clone(run, &vmrun, golden, node).await?;
                }
            }
            let mut seeds = Vec::new();
            for node in lab.machines() {
                let vmx = files.vmx(&node.name);
                let running = vmx.exists() && vmrun.is_running(&vmx).await?;
                let seed = nodes::seed(run, &secrets, node)?;
                if !running {
                    nodes::write_seed(run, node, &seed)?;
                }
                if lab.vm.create == Create::Install {
                    machines::ensure_disk(run, node)?;
                }
                machines::ensure_vmx(run, node, &machines::vmx(lab, files, node), running)?;
                seeds.push(seed);
            }
            Ok(seeds)
        })
        .await?;
    until.after("machines")?;

    let mut live: Vec<Live> = run
        .step(
            "install",
            try_join_all(lab.machines().zip(&seeds).map(|(node, seed)| {
                let (secrets, vmrun) = (&secrets, &vmrun);
                async move {
                    let name = format!("install/{}", node.name);
                    run.step(&name, nodes::bring_up(run, vmrun, secrets, node, seed)).await
                }
            })),
        )
        .await?;
    until.after("install")?;
    if lab.hosts().next().is_some() {
        let work = lab.hosts().map(|node| {
            let secrets = &secrets;
            async move { run.step(&format!("hosts/{}", node.name), hosts::ensure(run, secrets, node)).await }
        });
        live.extend(run.step("hosts", nodes::each(work)).await?);
        // servers start in the order of the lab file
        live.sort_by_key(|live| lab.nodes.iter().position(|n| n.name == live.node.name));
    }
    until.after("hosts")?;

    run.step("clocks", clocks::ensure(run, &secrets, &registry, &live)).await?;
    until.after("clocks")?;

    if !stock.is_empty() {
        let login = payload.nodes_login();
        let work = packages::ensure_all(run, &vmrun, &stock, login.as_ref(), &live);
        run.step("packages", work).await?;
    }
    until.after("packages")?;

    // Tokens and authorities are known beforehand: agents fetch and start while the server does; k3s waits by itself.
    let wanted = |node: &Live| until.0 != Some("server") || node.node.role == Role::Server;
    let live: Vec<Live> = live.into_iter().filter(wanted).collect();
    cluster::ensure_all(run, &vmrun, &secrets, &payload, &live).await?;
    until.after("server")?;
    until.after("agents")?;

    let kubectl = run
        .step("kubeconfig", async {
            kubeconfig::ensure(run, context, facts, &live).await?;
            packages::kubectl(run, &sources.extras)
        })
        .await?;
    until.after("kubeconfig")?;

    let ready = async {
        let cluster = Cluster::new(&kubeconfig::inside(context)?).await?;
        for node in cluster.let_back().await? {
            run.changed(format!("{node}: takes pods again, after an upgrade that had broken off"));
        }
        let conditions = cluster.wait_conditions(&conditions::expected(lab, files), conditions::READY, sink).await?;
        Ok((cluster.nodes().await?, conditions))
    };
    let machines: Vec<&lab::Node> = lab.nodes.iter().collect();
    let (nodes, conditions) = run.step("ready", power::while_on(run, &vmrun, &machines, power::LOOK, ready)).await?;
    let mut console = None;
    if let Some(wanted) = lab.kubesphere.as_ref().zip(chart).filter(|_| until.0 != Some("ready")) {
        let work = crate::kubesphere::ensure(run, context, facts, &live, wanted, sink);
        console = Some(run.step("kubesphere", power::while_on(run, &vmrun, &machines, power::LOOK, work)).await?);
    }
    let rows = lab.nodes.iter().filter_map(|node| {
        let seen = nodes.iter().find(|s| s.name == node.name)?;
        Some(ReadyNode {
            name: node.name.clone(),
            role: if node.role == Role::Server { "server" } else { "agent" }.into(),
            address: node.address.to_string(),
            ready: seen.ready,
            version: seen.version.clone(),
            memory_mib: seen.memory_bytes >> 20,
            os: seen.os_image.clone(),
        })
    });
    let changes = run.changes();
    let api = facts.reached_at(&format!("{}:6443", lab.first_server().address));
    Ok(Ready {
        lab: lab.name.clone(),
        changed: changes.len(),
        changes,
        nodes: rows.collect(),
        conditions,
        kubeconfig: files.kubeconfig(),
        kubectl,
        context: lab.name.clone(),
        registry: lab.registry_address(),
        api: format!("https://{api}"),
        console,
        clock: facts.clock,
        evidence: facts.evidence.clone(),
        stand_ins: sources.stand_ins.clone(),
        seconds: start.elapsed().as_secs(),
    })
}

/// Fills the registry's store: the profile's images, the k3s program, its air-gap images, further files for nodes.
async fn mirror(run: &Run<'_>, sources: &Sources) -> Result<(Payload, Stock), Failure> {
    let store = registry_mirror::Store::open(&run.files.registry())?;
    let report = images(sources, &store, run).await?;
    for reference in report.new.iter().chain(&report.changed) {
        run.changed(format!("image {reference} mirrored"));
    }
    if let Some(carried) = &sources.bundle {
        let bundle = carried.verified(run.sink)?;
        for reference in bundle::import_images(&bundle, &store, run.sink)? {
            run.changed(format!("image {reference} mirrored"));
        }
    }
    let tag = run.lab.versions.k3s.replace('+', "-");
    let parts = [("k3s", &sources.k3s), ("airgap-images", &sources.airgap)].map(|(title, source)| Part {
        title,
        path: &source.path,
        sha256: source.sha256.as_deref(),
    });
    let packing = artifacts::Packing::of("air-gap images", &sources.airgap.path)?;
    let put = store.put_artifact(Payload::REPOSITORY, &tag, &parts)?;
    run.changed_if(put.changed, "k3s and its air-gap images put into the registry");
    let (stock, changed) = Stock::put(&sources.extras, &store)?;
    run.changed_if(changed, "packages and programs for nodes put into the registry");
    let mut blobs = put.blobs.into_iter();
    match (blobs.next(), blobs.next()) {
        (Some(k3s), Some(airgap)) => Ok((Payload::new(k3s, airgap, packing), stock)),
        _ => Err(AirlabError::Facts { program: "registry store".into(), detail: "two blobs expected".into() }.into()),
    }
}

/// Mirrors the archives' images, each under the digest that the lock gives it.
async fn images(sources: &Sources, store: &registry_mirror::Store, run: &Run<'_>) -> Result<MirrorReport, Failure> {
    if sources.digests.is_empty() {
        return Ok(registry_mirror::mirror_archives(&sources.images, store, run.sink).await?);
    }
    let image = |(reference, path): &(String, std::path::PathBuf)| Image {
        reference: reference.clone(),
        digest: sources.digests.get(reference).and_then(|digest| digest.parse().ok()),
        sources: vec![registry_mirror::Source::File(path.clone())],
    };
    let images: Vec<Image> = sources.images.iter().map(image).collect();
    Ok(registry_mirror::mirror(&images, store, run.sink).await.complete()?)
}

/// What is different in the installer that nodes boot.
pub(crate) fn patch() -> seed_iso::Patch {
    seed_iso::Patch {
        kernel_args: vec!["autoinstall".into(), "ds=nocloud".into()],
        console_args: vec!["console=tty0".into(), "console=ttyS0,115200n8".into()],
        timeout: 1,
        files: Vec::new(),
    }
}

/// Patches the installer where the lab has none that fits.
async fn installer(run: &Run<'_>, sources: &Sources) -> Result<(), Failure> {
    let (source, target) = (sources.iso.path.clone(), run.files.installer());
    let fits = target.clone();
    let changed = tokio::task::spawn_blocking(move || seed_iso::ensure(&source, &fits, &patch()))
        .await
        .map_err(|e| AirlabError::File { path: target, action: "not written", source: std::io::Error::other(e) })??;
    run.changed_if(changed, "installer patched");
    Ok(())
}

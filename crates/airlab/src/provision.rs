//! From nothing to Ready: one plain function that calls plain functions with typed values between them.
//!
//! Every step looks first, changes only what is missing, and looks again. Running it again is how one goes on after an
//! interruption; on a lab that is as wanted it changes nothing.

use std::time::{Instant, SystemTime};

use futures_util::future::{join_all, try_join_all};
use k3s_bootstrap::Cluster;
use lab::{Create, Role};
use registry_mirror::{Image, MirrorReport, Part};
use steps::Sink;

use crate::golden::{self, Golden};
use crate::images::Payload;
use crate::journal::Journal;
use crate::nodes::{self, Live};
use crate::ready::{Partial, Provisioned, Ready, ReadyNode};
use crate::registry::Registry;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{
    AirlabError, Context, Facts, Failure, Sources, bundle, cluster, conditions, kubeconfig, leftovers, machines, power,
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
    let vmrun = context.provider.vmrun();
    let last = |step: &str| {
        (until == Some(step)).then(|| {
            let (lab, changes) = (lab.name.clone(), run.changes());
            let (changed, seconds) = (changes.len(), start.elapsed().as_secs());
            Provisioned::Until(Partial { lab, until: step.to_owned(), changed, changes, seconds })
        })
    };
    // the caller has done these two
    if let Some(end) = last("files").or_else(|| last("network")) {
        return Ok(end);
    }

    // Before anything is made: somebody else's program on the registry's port ends the run.
    let chart = crate::kubesphere::chart(lab.kubesphere.as_ref())?;
    let known_ca = std::fs::read_to_string(files.pki().join("ca").join("ca.crt")).unwrap_or_default();
    Registry::new(lab, files, &known_ca, &context.beside).port_free_or_ours().await?;

    let secrets = run
        .step("keys", async {
            leftovers::sweep(files);
            let (secrets, made) = Secrets::ensure(lab, files, SystemTime::now())?;
            made.into_iter().for_each(|m| run.changed(m));
            Ok(secrets)
        })
        .await?;
    if let Some(end) = last("keys") {
        return Ok(end);
    }
    let registry = Registry::new(lab, files, secrets.authority.cert_pem(), &context.beside);

    let payload = run.step("images", mirror(&run, sources)).await?;
    if let Some(end) = last("images") {
        return Ok(end);
    }
    run.step("registry", async {
        registry.ensure(sink).await?.into_iter().for_each(|done| run.changed(done));
        Ok(())
    })
    .await?;
    if let Some(end) = last("registry") {
        return Ok(end);
    }
    run.step("installer", installer(&run, sources)).await?;
    if let Some(end) = last("installer") {
        return Ok(end);
    }

    let mut golden = None;
    if lab.vm.create == Create::Clone {
        golden = run
            .step("golden", async {
                if golden::to_clone(&run)?.is_empty() {
                    return Ok(None);
                }
                let golden = Golden::of(&run, &secrets, sources)?;
                golden::ensure(&run, &vmrun, &golden).await?;
                Ok(Some(golden))
            })
            .await?;
    }
    if let Some(end) = last("golden") {
        return Ok(end);
    }

    let seeds = run
        .step("machines", async {
            if let Some(golden) = &golden {
                for node in golden::to_clone(&run)? {
                    golden::clone(&run, &vmrun, golden, node).await?;
                }
            }
            let mut seeds = Vec::new();
            for node in &lab.nodes {
                let vmx = files.vmx(&node.name);
                let running = vmx.exists() && vmrun.is_running(&vmx).await?;
                let seed = nodes::seed(&run, &secrets, node)?;
                if !running {
                    nodes::write_seed(&run, node, &seed)?;
                }
                if lab.vm.create == Create::Install {
                    machines::ensure_disk(&run, node)?;
                }
                machines::ensure_vmx(&run, node, &machines::vmx(lab, files, node), running)?;
                seeds.push(seed);
            }
            Ok(seeds)
        })
        .await?;
    if let Some(end) = last("machines") {
        return Ok(end);
    }

    let live: Vec<Live> = run
        .step(
            "install",
            try_join_all(lab.nodes.iter().zip(&seeds).map(|(node, seed)| {
                let (run, secrets, vmrun) = (&run, &secrets, &vmrun);
                async move {
                    let name = format!("install/{}", node.name);
                    run.step(&name, nodes::bring_up(run, vmrun, secrets, node, seed)).await
                }
            })),
        )
        .await?;
    if let Some(end) = last("install") {
        return Ok(end);
    }

    run.step("clocks", clocks(&run, &secrets, &live)).await?;
    if let Some(end) = last("clocks") {
        return Ok(end);
    }

    // Tokens and authorities are known beforehand: agents fetch and start while the server does; k3s waits by itself.
    let wanted = |node: &Live| until != Some("server") || node.node.role == Role::Server;
    let live: Vec<Live> = live.into_iter().filter(wanted).collect();
    cluster::ensure_all(&run, &vmrun, &secrets, &payload, &live).await?;
    if let Some(end) = last("server").or_else(|| last("agents")) {
        return Ok(end);
    }

    run.step("kubeconfig", kubeconfig::ensure(&run, context, facts, &live)).await?;
    if let Some(end) = last("kubeconfig") {
        return Ok(end);
    }

    let ready = async {
        let cluster = Cluster::new(&kubeconfig::inside(context)?).await?;
        for node in cluster.let_back().await? {
            run.changed(format!("{node}: takes pods again, after an upgrade that had broken off"));
        }
        let conditions = cluster.wait_conditions(&conditions::expected(lab, files), conditions::READY, sink).await?;
        Ok((cluster.nodes().await?, conditions))
    };
    let machines: Vec<&lab::Node> = lab.nodes.iter().collect();
    let (nodes, conditions) = run.step("ready", power::while_on(&run, &vmrun, &machines, power::LOOK, ready)).await?;
    let mut console = None;
    if let Some(wanted) = lab.kubesphere.as_ref().zip(chart).filter(|_| until != Some("ready")) {
        let work = crate::kubesphere::ensure(&run, context, facts, &live, wanted, sink);
        console = Some(run.step("kubesphere", power::while_on(&run, &vmrun, &machines, power::LOOK, work)).await?);
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
    Ok(Provisioned::Ready(Box::new(Ready {
        lab: lab.name.clone(),
        changed: changes.len(),
        changes,
        nodes: rows.collect(),
        conditions,
        kubeconfig: files.kubeconfig(),
        context: lab.name.clone(),
        registry: lab.registry_address(),
        api: format!("https://{api}"),
        console,
        clock: facts.clock,
        evidence: facts.evidence.clone(),
        stand_ins: sources.stand_ins.clone(),
        seconds: start.elapsed().as_secs(),
    })))
}

/// Fills the registry's store: the profile's images, the k3s program, its air-gap images.
async fn mirror(run: &Run<'_>, sources: &Sources) -> Result<Payload, Failure> {
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
    let mut blobs = put.blobs.into_iter();
    match (blobs.next(), blobs.next()) {
        (Some(k3s), Some(airgap)) => Ok(Payload::new(k3s, airgap, packing)),
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

/// Measures every node's clock before k3s may start there. One that is off, after a suspension for instance, is put right
/// where it is the node's own; unless it is this host's clock, and so the registry's, that is wrong: that one is told, and
/// not followed.
pub(crate) async fn clocks(run: &Run<'_>, secrets: &Secrets, live: &[Live]) -> Result<(), Failure> {
    let measured = join_all(live.iter().map(|node| timesync::measure(&node.ssh))).await;
    let own = measured.iter().flatten().filter(|clock| clock.clock == timesync::Whose::Own);
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let evidence = timesync::Evidence {
        now: seconds(SystemTime::now()),
        past: seconds(secrets.born),
        nodes: own.filter_map(|clock| clock.offset).collect(),
    };
    match timesync::judge_host(&evidence) {
        timesync::HostClock::Plausible => {}
        timesync::HostClock::BeforeThePast(by) => {
            let why = format!("it is {by} s before the lab's own authority was made");
            return Err(AirlabError::HostClock { why }.into());
        }
        timesync::HostClock::AgainstTheNodes(offset) => {
            let why = format!("the nodes agree with each other, and are {offset} to it");
            return Err(AirlabError::HostClock { why }.into());
        }
    }
    let clocks = try_join_all(live.iter().zip(measured).map(|(node, measured)| async move {
        let right = |clock: &timesync::Clock| {
            let decision = clock.offset.map(|o| timesync::decide(timesync::Policy::default(), o));
            decision.is_none_or(|d| d == timesync::Decision::Right) || clock.clock == timesync::Whose::Host
        };
        let clock = match measured {
            Ok(clock) if right(&clock) => clock,
            // far off, a good certificate looks bad
            Ok(_) | Err(timesync::ClockError::Untrusted { .. }) => {
                let clock = timesync::sync(&node.ssh).await?;
                run.changed(format!("{}: clock set", node.node.name));
                clock
            }
            Err(error) => return Err(error.into()),
        };
        Ok::<_, Failure>((node.node.name.clone(), clock))
    }));
    for (node, clock) in clocks.await? {
        run.note("clocks", format!("{node}: {}", clock_words(&clock)));
        if let Some(offset) = clock.offset
            && timesync::decide(timesync::Policy::default(), offset) == timesync::Decision::Refuse
        {
            return Err(AirlabError::ClockOff { node, offset: offset.to_string() }.into());
        }
    }
    Ok(())
}

/// A reading in words; a clock that is the host's is called that, and never counts as a measured success.
pub(crate) fn clock_words(clock: &timesync::Clock) -> String {
    let offset = clock.offset.map_or_else(|| "not measured".to_owned(), |o| format!("{o} against the registry"));
    match clock.clock {
        timesync::Whose::Host => format!("the host's clock ({offset})"),
        timesync::Whose::Own => offset,
    }
}

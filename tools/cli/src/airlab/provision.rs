//! `airlab provision`, `status` and `destroy`.

use std::future::Future;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use airlab::{Context, Facts, Partial, Plan, Provisioned, Ready, Sources, Status};
use artifacts::Verdicts;
use steps::{Event, Outcome, Sink, Timeline};

use super::lab_args::{LabArgs, Real, stopped};
use super::node::Rebuild;
use super::{network, sources};
use crate::tool::Ended;
use crate::{Failure, Ui, clocks, conditions, exit, table};

/// Prints the plan; looks at nothing but the lab file and its lock, and at WSL's address where the registry is there.
pub(super) fn plan(ui: &Ui, args: &LabArgs, real: &Real) -> Ended {
    let context = real.applied(args.context()?);
    let sources = sources::on_paper(&context, args, real)?;
    let wsl = airlab::wsl_address(&context.lab, &context.files);
    let plan = Plan::of(&context.lab, &context.files, &sources, &context.provider, wsl);
    ui.result(&plan, ToString::to_string)?;
    Ok(exit::OK)
}

/// Brings the lab up. The host is checked, the lock taken and the network brought up first; then this program goes on
/// inside the lab's network.
pub(super) async fn provision(ui: &Arc<Ui>, args: &LabArgs, real: &Real, until: Option<&str>) -> Ended {
    bring_up(ui, args, real, until, None).await
}

/// The same after nodes were removed.
pub(super) async fn again(ui: &Arc<Ui>, args: &LabArgs, real: &Real, rebuild: &Rebuild) -> Ended {
    bring_up(ui, args, real, None, Some(rebuild)).await
}

async fn bring_up(ui: &Arc<Ui>, args: &LabArgs, real: &Real, until: Option<&str>, rebuild: Option<&Rebuild>) -> Ended {
    let context = real.applied(args.context()?);
    if let Some(sources) = sources::handed_on().filter(|_| network::inside()) {
        let facts = network::facts(&context)?;
        return work(ui, &context, &facts, &sources, until, rebuild).await;
    }
    ui.expect("provision-parts", Timeline::new([], 2));
    super::host::check(ui, &context)?;
    let sources = step(ui, "files", files(ui, &context, args, real)).await?;
    if until == Some("files") {
        let (lab, until) = (context.lab.name.clone(), "files".to_owned());
        ui.result(&Partial { lab, until, changed: 0, changes: Vec::new(), seconds: 0 }, partial_text)?;
        return Ok(exit::OK);
    }
    let lock = context.lock("airlab provision").map_err(stopped)?;
    for line in &sources.stand_ins {
        ui.say(&format!("stand-in: {line}"));
    }
    let facts = step(ui, "network", async {
        let was_up = context.seen().is_some();
        let facts = context.ensure_network().map_err(stopped)?;
        Ok((facts, if was_up { Outcome::Unchanged } else { Outcome::Changed("up".into()) }))
    });
    let facts = facts.await?;
    for line in &facts.warnings {
        ui.say(&format!("note: {line}"));
    }
    ui.finished();
    match network::again(&facts)? {
        Some(cmd) => network::become_it(&sources::hand_on(cmd, &context, &sources)?, Some(lock.into_file())),
        None => work(ui, &context, &facts, &sources, until, rebuild).await,
    }
}

/// A step that comes before the lab is there; the others are told of by [`airlab::provision`].
async fn step<T>(
    ui: &Ui,
    name: &'static str,
    work: impl Future<Output = Result<(T, Outcome), Failure>>,
) -> Result<T, Failure> {
    let start = Instant::now();
    ui.emit(Event::Started { step: name.into() });
    let (value, outcome) = work.await?;
    ui.emit(Event::Finished { step: name.into(), outcome, took: start.elapsed() });
    Ok(value)
}

/// The files the lab is made from, made where they are missing and checked. What it runs may take minutes: it has a
/// thread of its own, so that a signal is answered at once.
async fn files(ui: &Arc<Ui>, context: &Context, args: &LabArgs, real: &Real) -> Result<(Sources, Outcome), Failure> {
    let profile = context.lab.images.profile.clone();
    let (ui, context, args, real) = (ui.clone(), context.clone(), args.clone(), real.clone());
    let made = tokio::task::spawn_blocking(move || {
        let mut sources = sources::ready(&context, &args, &real, &*ui)?;
        sources.check(&mut Verdicts::open(&sources::verdicts(&context))).map_err(stopped)?;
        Ok::<_, Failure>(sources)
    });
    let mut sources = made.await.map_err(|e| Failure::system("making the lab's files", e.into()))??;
    let scratch = std::env::temp_dir();
    sources.name_images(profile.as_deref(), &scratch).await.map_err(stopped)?;
    Ok((sources, Outcome::Unchanged))
}

async fn work(
    ui: &Ui,
    context: &Context,
    facts: &Facts,
    sources: &Sources,
    until: Option<&str>,
    rebuild: Option<&Rebuild>,
) -> Ended {
    if let Some(Rebuild { nodes, how }) = rebuild {
        airlab::remove(context, nodes, how, ui as &dyn Sink).await.map_err(stopped)?;
    }
    let usual = Timeline::new(
        [("images", 2, 2), ("installer", 4, 2), ("install", 35, 30), ("server", 60, 20), ("agents", 75, 15)],
        80,
    );
    let kind =
        format!("provision-{}{}", context.lab.name, if context.files.kubeconfig().exists() { "-again" } else { "" });
    if until.is_none() {
        ui.expect(&kind, usual);
    }
    match airlab::provision(context, sources, facts, until, ui as &dyn Sink).await.map_err(stopped)? {
        Provisioned::Ready(ready) => {
            ui.finished();
            ui.result(&*ready, ready_text)?;
        }
        Provisioned::Until(partial) => ui.result(&partial, partial_text)?,
    }
    Ok(exit::OK)
}

fn partial_text(partial: &Partial) -> String {
    let Partial { lab, until, changed, seconds, .. } = partial;
    format!("{lab}: ended after the step {until}, as asked; changed {changed} things in {seconds} s\n")
}

fn ready_text(ready: &Ready) -> String {
    let rows: Vec<[String; 7]> = ready
        .nodes
        .iter()
        .map(|n| {
            let state = if n.ready { "Ready" } else { "NotReady" };
            [
                n.name.clone(),
                n.role.clone(),
                n.address.clone(),
                state.to_owned(),
                n.version.clone(),
                format!("{} MiB", n.memory_mib),
                n.os.clone(),
            ]
        })
        .collect();
    let mut text = table(&["NODE", "ROLE", "ADDRESS", "STATE", "KUBERNETES", "MEMORY", "SYSTEM"], &rows);
    text.push_str(&format!("\n{}", conditions::text(&ready.conditions)));
    let kubectl = ready.kubectl.as_ref().map_or("kubectl     ".to_owned(), |path| format!("{} ", path.display()));
    text.push_str(&format!("\n{kubectl}--kubeconfig {} get nodes\n", ready.kubeconfig.display()));
    text.push_str(&format!("api         {}\n", ready.api));
    text.push_str(&format!("registry    {}\n", ready.registry));
    if let Some(console) = &ready.console {
        text.push_str(&format!("console     {}\n", console.url));
        text.push_str(&format!("password    of {} in {}\n", console.user, console.password_in.display()));
    }
    text.push_str(&format!("evidence    {}\n", ready.evidence));
    for line in &ready.stand_ins {
        text.push_str(&format!("stand-in    {line}\n"));
    }
    text.push_str(&format!("changed     {} things in {} s\n", ready.changed, ready.seconds));
    text
}

/// Says how the lab is.
pub(super) async fn status(ui: &Ui, args: &LabArgs, quick: bool) -> Ended {
    let context = args.context()?;
    let facts = network::facts(&context)?;
    if let Some(cmd) = network::again(&facts)? {
        return network::become_it(&cmd, None);
    }
    let status = airlab::status(&context, &facts, quick).await.map_err(stopped)?;
    ui.result(&status, status_text)?;
    Ok(if status.healthy { exit::OK } else { exit::CLUSTER })
}

fn status_text(status: &Status) -> String {
    let rows: Vec<[String; 5]> = status
        .nodes
        .iter()
        .map(|n| [n.name.clone(), n.role.clone(), n.address.clone(), n.state.to_string(), n.why.clone()])
        .collect();
    let mut text = table(&["NODE", "ROLE", "ADDRESS", "STATE", "WHY"], &rows);
    text.push_str(&format!("\n{}", conditions::text(&status.conditions)));
    text.push_str(&format!("\n{}", clocks::text(&status.clocks)));
    let registry = if status.registry.ok { "answers".to_owned() } else { format!("DOWN: {}", status.registry.why) };
    text.push_str(&format!("\nregistry    {} {registry}\n", status.registry.address));
    for line in &status.golden {
        text.push_str(&format!("golden      {line}\n"));
    }
    for finding in &status.findings {
        text.push_str(&format!("finding     {} {}\n", finding.id, finding.what));
    }
    text.push_str(if status.healthy { "healthy\n" } else { "NOT healthy\n" });
    text
}

/// Removes the lab, after the lab's name was typed or `--yes` given.
pub(super) async fn destroy(ui: &Ui, args: &LabArgs, yes: bool) -> Ended {
    let context = args.context()?;
    if !network::inside() {
        confirm(ui, &context, yes)?;
    }
    let _lock = if network::inside() { None } else { Some(context.lock("airlab destroy").map_err(stopped)?) };
    let caches = vec![demolab::default_cache()];
    let destroyed = airlab::destroy(&context, caches, ui as &dyn Sink).await.map_err(stopped)?;
    // Still ours: nobody else can have taken the lock. An empty folder goes with it.
    let lock = context.files.lock();
    let _ = std::fs::remove_file(&lock);
    let _ = lock.parent().map(std::fs::remove_dir);
    ui.result(&destroyed, |d| {
        let mut text: String = d.removed.iter().map(|r| format!("removed  {r}\n")).collect();
        text.extend(d.kept.iter().map(|k| format!("kept     {k}\n")));
        text
    })?;
    Ok(exit::OK)
}

fn confirm(ui: &Ui, context: &Context, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let name = &context.lab.name;
    let names =
        |nodes: &mut dyn Iterator<Item = &lab::Node>| nodes.map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
    let hosts = match names(&mut context.lab.hosts()) {
        hosts if hosts.is_empty() => hosts,
        hosts => format!(", takes k3s off the existing hosts {hosts}"),
    };
    ui.show(&format!(
        "This removes the nodes {} with their disks{hosts}, and the lab's keys.\nType the lab's name ({name}) to go on: ",
        names(&mut context.lab.machines())
    ));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| Failure::system("reading the answer", e))?;
    if line.trim() == name { Ok(()) } else { Err(Failure::declined(name)) }
}

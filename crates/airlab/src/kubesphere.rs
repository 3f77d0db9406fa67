//! KubeSphere on the lab's cluster, where the lab has a chart for it.

use std::time::Duration;

use ::kubesphere::{AdminPassword, Chart, Console, Core, Delivery, Profile, Values};
use kubeapi::Api;
use lab::{KubeSphere, Role};
use machine::{Exec, RemoteFile};
use steps::Sink;

use crate::nodes::Live;
use crate::ready::{ConsoleAt, Finding};
use crate::run::Run;
use crate::{Context, Facts, Failure, kubeconfig};

/// Longest time for the core, and again for each extension.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The lab's chart, looked at before anything is made.
pub(crate) fn chart(wanted: Option<&KubeSphere>) -> Result<Option<Chart>, Failure> {
    Ok(wanted.map(|wanted| Chart::open(&wanted.chart)).transpose()?)
}

/// Installs what the lab asks for, or changes its values; says where the console and the password are.
pub(crate) async fn ensure(
    run: &Run<'_>,
    context: &Context,
    facts: &Facts,
    live: &[Live],
    (wanted, chart): (&KubeSphere, Chart),
    sink: &dyn Sink,
) -> Result<ConsoleAt, Failure> {
    let profile = Profile::ALL.into_iter().find(|p| p.to_string() == wanted.profile).unwrap_or_default();
    let extensions = profile.extensions();
    let (there, nodes) =
        (run.lab.nodes.iter().map(|n| u64::from(n.memory_mib)).sum::<u64>(), run.lab.nodes.len() as u64);
    let needed = ::kubesphere::on_nodes(profile, nodes);
    let verdict = if needed <= there { "fits" } else { "is short: expect evictions" };
    run.note(
        "kubesphere",
        format!("profile {profile} asks for about {needed} MiB; {nodes} nodes have {there} MiB: {verdict}"),
    );
    if let Delivery::Static { path } = Delivery::of(&chart) {
        let file = RemoteFile { path, bytes: chart.bytes().to_vec(), mode: 0o644 };
        for server in live.iter().filter(|l| l.node.role == Role::Server) {
            for written in server.ssh.upload(std::slice::from_ref(&file), true).await.map_err(Failure::from)? {
                run.changed(format!("{}: {written}", server.node.name));
            }
        }
    }
    let (password, new) = AdminPassword::ensure(&run.files.pki())?;
    run.changed_if(new, "KubeSphere's first password made");
    let host = run.lab.first_server().address.to_string();
    let address = format!("{host}:{}", ::kubesphere::CONSOLE_PORT);
    let museum = (!extensions.is_empty()).then(|| wanted.museum.clone());
    let values = Values { host, admin_hash: password.hash().to_owned(), extensions: museum };
    let api = Api::new(&kubeconfig::inside(context)?).await?;
    let core = Core { chart, values, deadline: DEADLINE };
    let installed = ::kubesphere::ensure_core(&api, &core, sink).await?;
    run.changed_if(installed.changed, format!("KubeSphere's core, revision {}", installed.revision));
    for name in ::kubesphere::ensure_extensions(&api, &extensions, DEADLINE, sink).await? {
        run.changed(format!("extension {name}"));
    }
    // this program is inside the lab's network here; a person may not be
    Console::at(&address)?.answers(Duration::from_secs(300), sink).await?;
    let url = format!("http://{}", facts.reached_at(&address));
    Ok(ConsoleAt { url, user: "admin".into(), password_in: password.path().to_owned() })
}

/// What is wrong with KubeSphere, where the lab has it. An API that does not answer is not its fault.
pub(crate) async fn findings(context: &Context) -> Vec<Finding> {
    if context.lab.kubesphere.is_none() {
        return Vec::new();
    }
    let look = async {
        let api = Api::new(&kubeconfig::inside(context)?).await?;
        Ok::<_, Failure>(::kubesphere::status(&api).await?)
    };
    let Ok(status) = look.await else { return Vec::new() };
    let finding = |what: String| Finding { id: "AL-STA-008", what: format!("KubeSphere: {what}") };
    let mut found: Vec<Finding> = status.findings.iter().map(|f| finding(f.to_string())).collect();
    if found.is_empty() && status.release.is_none() {
        found.push(finding("not installed yet: airlab provision".into()));
    } else if found.is_empty() && !status.healthy {
        let parts = status.workloads.iter().map(|w| format!("{} {} of {}", w.name, w.available, w.wanted));
        let parts = parts.chain(status.extensions.iter().map(|e| format!("{} {}", e.name, e.state)));
        found.push(finding(format!("not all of it runs yet: {}", parts.collect::<Vec<_>>().join(", "))));
    }
    found
}

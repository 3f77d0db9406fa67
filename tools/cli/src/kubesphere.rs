//! The command line of `kubesphere`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use kubeapi::Api;
use kubesphere::{AdminPassword, Chart, Console, Core, Login, Profile, Status, Values};
use secrecy::ExposeSecret;

use crate::{Ended, Failure, Tool, Ui, exit, table};

#[derive(Debug, clap::Parser)]
#[command(about = "Install KubeSphere on a k3s cluster, and say why it is stuck")]
#[command(after_help = "Examples:
  kubesphere chart ks-core-1.1.4.tgz                     is this the chart, and does it fit
  kubesphere fits --memory-gib 16 --nodes 3              which profile fits this host
  kubesphere install --chart ks-core-1.1.4.tgz --host 192.168.6.10 --secrets ~/.airlab-secrets --plan
  kubesphere status                                      what is wrong, by object, image and cause
  kubesphere login --secrets ~/.airlab-secrets           does the generated password work")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check a chart file
    Chart {
        /// The packed chart
        chart: PathBuf,
    },
    /// Say which profile fits a host
    Fits {
        /// Memory of the host, in GiB
        #[arg(long)]
        memory_gib: u64,
        /// Nodes of the lab
        #[arg(long, default_value_t = 3)]
        nodes: u64,
    },
    /// Install the core, or change its values, and wait until it serves
    Install(Install),
    /// Say how KubeSphere is and what is wrong; exit code 3 when something is
    Status(Cluster),
    /// Try the administrator's kept password once
    Login {
        #[command(flatten)]
        cluster: Cluster,
        /// Folder that keeps the password
        #[arg(long, value_name = "FOLDER")]
        secrets: PathBuf,
    },
    /// Remove extensions, core and namespace, data included
    Remove {
        #[command(flatten)]
        cluster: Cluster,
        /// Do not refuse
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Cluster {
    /// Kubeconfig whose current context is used
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Install {
    #[command(flatten)]
    cluster: Cluster,
    /// The packed ks-core chart
    #[arg(long, value_name = "FILE")]
    chart: PathBuf,
    /// Address of a server, under which people reach the console
    #[arg(long, value_name = "IP")]
    host: String,
    /// Folder that keeps the administrator's password
    #[arg(long, value_name = "FOLDER")]
    secrets: PathBuf,
    /// core, monitoring, logging or full
    #[arg(long, default_value = "core", value_parser = profile)]
    profile: Profile,
    /// Tag of the extension repository's image, where not the chart's own
    #[arg(long, value_name = "TAG")]
    museum: Option<String>,
    /// Seconds to wait at the most
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Print what would be applied and change nothing
    #[arg(long)]
    plan: bool,
}

fn profile(word: &str) -> Result<Profile, String> {
    let found = Profile::ALL.into_iter().find(|p| p.to_string() == word);
    found.ok_or_else(|| "one of core, monitoring, logging, full".to_owned())
}

impl Cluster {
    async fn api(&self) -> Result<Api, Failure> {
        let text = std::fs::read_to_string(&self.kubeconfig)
            .map_err(|e| Failure::system(format!("reading {}", self.kubeconfig.display()), e))?;
        Ok(Api::new(&text.into()).await?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("kubesphere").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Chart { chart } => show_chart(&ui, &chart),
            Verb::Fits { memory_gib, nodes } => fits(&ui, memory_gib, nodes),
            Verb::Install(install) => run_install(&ui, &install).await,
            Verb::Status(cluster) => {
                let status = kubesphere::status(&cluster.api().await?).await?;
                ui.result(&status, status_text)?;
                Ok(if status.healthy { exit::OK } else { exit::NO })
            }
            Verb::Login { cluster, secrets } => {
                let api = cluster.api().await?;
                let path = secrets.join(AdminPassword::FILE);
                let Some(password) = AdminPassword::load(&path)? else {
                    let missing = std::io::ErrorKind::NotFound.into();
                    return Err(Failure::system(format!("reading the password in {}", path.display()), missing));
                };
                let login = kubesphere::login(&api, "admin", password.clear()).await?;
                let text = if login == Login::Accepted { "accepted" } else { "refused" };
                ui.result(&serde_json::json!({ "login": text }), |_| text.to_owned())?;
                Ok(if login == Login::Accepted { exit::OK } else { exit::NO })
            }
            Verb::Remove { yes: false, .. } => Err(Failure::declined("--yes")),
            Verb::Remove { cluster, yes: true } => {
                let gone = kubesphere::remove(&cluster.api().await?, Duration::from_secs(1200), &*ui).await?;
                ui.result(&serde_json::json!({ "removed": gone }), |_| gone.join("\n"))?;
                Ok(exit::OK)
            }
        }
    })
}

fn show_chart(ui: &Ui, path: &std::path::Path) -> Ended {
    let chart = Chart::open(path)?;
    let (size, fits) = (chart.bytes().len(), chart.fits_content());
    let value = serde_json::json!({ "name": Chart::NAME, "version": chart.version, "app_version": chart.app_version,
        "bytes": size, "fits_object": fits });
    ui.result(&value, |_| {
        let how = if fits { "inside the HelmChart object" } else { "as a file on every server (static/charts)" };
        format!("ks-core {} (KubeSphere {}), {size} bytes: {how}", chart.version, chart.app_version)
    })?;
    Ok(exit::OK)
}

fn fits(ui: &Ui, memory_gib: u64, nodes: u64) -> Ended {
    let fits = kubesphere::fits(memory_gib * 1024, nodes);
    ui.result(&fits, |fits| fits_text(fits))?;
    Ok(exit::OK)
}

fn fits_text(fits: &[kubesphere::Fit]) -> String {
    let row = |f: &kubesphere::Fit| {
        let verdict = if f.fits { "fits" } else { "does not fit" };
        [f.profile.to_string(), format!("{:.1} GiB", f.needs_mib as f64 / 1024.0), verdict.to_owned()]
    };
    table(&["PROFILE", "NEEDS (ESTIMATE)", "THIS HOST"], &fits.iter().map(row).collect::<Vec<_>>())
}

async fn run_install(ui: &Ui, install: &Install) -> Ended {
    let chart = Chart::open(&install.chart)?;
    let extensions = install.profile.extensions();
    if install.plan {
        let names: Vec<&str> = extensions.iter().map(|e| e.name.as_str()).collect();
        let value = serde_json::json!({ "chart": chart.file_name(), "host": install.host, "extensions": names });
        ui.result(&value, |_| {
            let mut text = format!(
                "HelmChart ks-core {}, console at http://{}:{}\n",
                chart.version,
                install.host,
                kubesphere::CONSOLE_PORT
            );
            names.iter().for_each(|name| text.push_str(&format!("InstallPlan {name}\n")));
            text
        })?;
        return Ok(exit::OK);
    }
    let api = install.cluster.api().await?;
    let (password, new) = AdminPassword::ensure(&install.secrets)?;
    let museum = (!extensions.is_empty()).then(|| install.museum.clone());
    let values = Values { host: install.host.clone(), admin_hash: password.hash().to_owned(), extensions: museum };
    let deadline = Duration::from_secs(install.timeout);
    let done = kubesphere::ensure_core(&api, &Core { chart, values, deadline }, ui).await?;
    let changed = kubesphere::ensure_extensions(&api, &extensions, deadline, ui).await?;
    let console = Console::at(&format!("{}:{}", install.host, kubesphere::CONSOLE_PORT))?;
    console.answers(Duration::from_secs(120), ui).await?;
    if new {
        // shown once, on the terminal only; afterwards it is in its file
        ui.show(&format!("administrator  admin / {}\n", password.clear().expose_secret()));
    }
    let kept = password.path().display().to_string();
    let value = serde_json::json!({ "changed": done.changed || !changed.is_empty(), "revision": done.revision,
        "console": console.url, "password_in": kept, "extensions_changed": changed });
    ui.result(&value, |_| format!("console   {}\npassword  in {kept} (user admin)", console.url))?;
    Ok(exit::OK)
}

fn status_text(status: &Status) -> String {
    let mut text = match &status.release {
        None => "KubeSphere is not installed\n".to_owned(),
        Some(r) => format!("ks-core {}, revision {}: {}\n\n", r.chart_version, r.revision, r.status),
    };
    let rows: Vec<[String; 2]> =
        status.workloads.iter().map(|w| [w.name.clone(), format!("{} of {}", w.available, w.wanted)]).collect();
    if !rows.is_empty() {
        text += &table(&["WORKLOAD", "AVAILABLE"], &rows);
    }
    let rows: Vec<[String; 3]> =
        status.extensions.iter().map(|e| [e.name.clone(), e.version.clone(), e.state.clone()]).collect();
    if !rows.is_empty() {
        text += &format!("\n{}", table(&["EXTENSION", "VERSION", "STATE"], &rows));
    }
    for finding in &status.findings {
        text += &format!("\n! {finding}");
    }
    text + if status.healthy { "\nhealthy" } else { "" }
}

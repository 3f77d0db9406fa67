//! Who gets in: the generated password does, KubeSphere's known default does not.

use serde_json::{Value, json};

use super::{NAMESPACE, tool};
use crate::proof::{Fail, Proof, ensure};
use crate::world::World;

/// The password of every KubeSphere that nobody gave another one.
const KNOWN: &str = "P@88w0rd";

/// The generated password.
fn generated(world: &World) -> Result<String, Fail> {
    let text = std::fs::read_to_string(kept(world))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

pub(super) fn kept(world: &World) -> std::path::PathBuf {
    world.lab_dir().join("pki/kubesphere-admin")
}

pub(super) fn file(world: &World) -> Proof {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(kept(world))?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{} is {mode:o}", kept(world).display());
    let password = generated(world)?;
    ensure!(password.len() >= 20, "a password of {} characters", password.len());
    let said = ["first.err", "first.out"].map(|name| std::fs::read_to_string(world.scratch(name)).unwrap_or_default());
    ensure!(!said.concat().contains(&password), "provision shows the password");
    let user = world.kubectl_json(&["get", "users.iam.kubesphere.io", "admin"])?;
    let hash = user["spec"]["password"].as_str().unwrap_or_default().to_owned();
    ensure!(hash.starts_with("$2b$"), "the user's password is kept as {hash:?}");
    ensure!(user["metadata"]["annotations"]["iam.kubesphere.io/uninitialized"].is_null(), "another is asked for");
    let chart = world.kubectl(&["get", "helmchart", "ks-core", "-n", "kube-system", "-o", "json"])?;
    ensure!(chart.contains(&hash) && !chart.contains(&password), "the HelmChart holds something else than the hash");
    Ok(format!("{} characters in a file of mode 600, the cluster has bcrypt of them", password.len()))
}

pub(super) fn works(world: &World, console: &str) -> Proof {
    let secrets = world.lab_dir().join("pki").display().to_string();
    let said = world.ok(tool(world, &["login", "--secrets", &secrets]))?.text();
    ensure!(said.trim() == "accepted", "kubesphere login says {said}");
    let jar = world.scratch("cookies");
    let (code, _) = log_in(world, console, &generated(world)?, &jar)?;
    ensure!(code == "200", "the console answers {code}");
    let url = format!("{console}/kapis/iam.kubesphere.io/v1beta1/users/admin");
    let get =
        |more: &[&str]| world.bare("curl").args(["-sS", "-m", "10", "-w", "\n%{http_code}"]).args(more.iter().copied());
    let with = world.ok(get(&["-b", &jar.display().to_string(), &url]))?.text();
    let (body, code) = with.rsplit_once('\n').unwrap_or_default();
    let user: Value = serde_json::from_str(body)?;
    ensure!(code == "200" && user["spec"]["email"] == "admin@kubesphere.io", "{code} {body}");
    ensure!(user["spec"].get("password").is_none(), "the hash is shown");
    let without = world.ok(get(&[&url]))?.text();
    ensure!(without.ends_with("401"), "without a token: {without}");
    Ok("accepted; with the token the user, without it 401".into())
}

pub(super) fn default_refused(world: &World, console: &str) -> Proof {
    let (code, said) = log_in(world, console, KNOWN, &world.scratch("no-cookies"))?;
    ensure!(code == "401", "the console answers {code} {said}");
    let address = ["get", "service", "ks-apiserver", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"];
    let address = world.kubectl(&address)?;
    // what everybody knows may stand in a command line
    let line = format!(
        "curl -sS -m 10 -w ' %{{http_code}}' -d grant_type=password -d client_id=kubesphere -d client_secret=kubesphere \
         -d username=admin --data-urlencode password={KNOWN} http://{address}/oauth/token"
    );
    let api = world.root_on("master", &line)?.text();
    ensure!(api.contains("invalid_grant") && api.ends_with("400"), "ks-apiserver answers {api}");
    Ok("the console answers 401, ks-apiserver 400 invalid_grant as KubeSphere's does".into())
}

/// The console's answer to a name and a password, which goes by standard input.
fn log_in(world: &World, console: &str, password: &str, jar: &std::path::Path) -> Result<(String, String), Fail> {
    let body = json!({ "username": "admin", "password": password }).to_string();
    let words = ["-sS", "-m", "10", "-w", "\n%{http_code}", "-H", "Content-Type: application/json", "-d", "@-", "-c"];
    let curl = world.bare("curl").args(words).arg(jar).arg(format!("{console}/login")).stdin(body);
    let said = world.ok(curl)?.text();
    let (body, code) = said.rsplit_once('\n').unwrap_or_default();
    Ok((code.to_owned(), body.to_owned()))
}

/// A run for people on a lab that is as wanted.
pub(super) fn second(world: &World, console: &str) -> Proof {
    let run = world.watch(&world.airlab("provision", &["--yes"]), "second")?;
    run.succeeded()?;
    let lines: Vec<&str> = run.lines.iter().map(|(_, line)| line.as_str()).collect();
    let said = format!("{}\n{}", run.stdout, lines.join("\n"));
    ensure!(run.stdout.contains("changed     0 things"), "{}", run.stdout);
    for line in [format!("console     {console}"), format!("in {}", kept(world).display())] {
        ensure!(run.stdout.contains(&line), "{line:?} is not in {}", run.stdout);
    }
    ensure!(!said.contains(&generated(world)?), "the password is shown again");
    Ok(format!("nothing changed in {:.0} s; console and password's place named", run.took.as_secs_f32()))
}

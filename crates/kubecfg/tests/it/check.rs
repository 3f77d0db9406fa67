//! Each thing that can be in the way, made for real on loopback, and its name.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use kubecfg::{Around, CheckError, Kubeconfig, Working, check};
use steps::Problem;

use crate::api::{Api, Authority, DAY, GOOD, healthy, proxy_to, says};

fn asked(kubeconfig: &Kubeconfig, now: SystemTime, vars: &[(&str, &str)]) -> Result<Working, CheckError> {
    let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    check(kubeconfig, &Around { now, var: &var, patience: Duration::from_secs(5) })
}

#[track_caller]
fn refused(kubeconfig: &Kubeconfig, id: &str) -> CheckError {
    let error = asked(kubeconfig, SystemTime::now(), &[]).unwrap_err();
    assert_eq!(error.id(), id, "{error}");
    error
}

#[test]
fn an_api_that_works_says_its_version_and_its_clock() {
    let working = asked(&Api::default().start(), SystemTime::now(), &[]).unwrap();
    assert_eq!((working.version.as_str(), working.verified, working.proxy), ("v1.33.4+k3s1", true, None));
    assert!(working.ahead.unwrap().abs() <= 2, "{:?}", working.ahead);
}

#[test]
fn route() {
    // the system refuses this one without sending anything
    let error = refused(&Api::default().start().with_server("https://255.255.255.255:6443"), "AL-CFG-010");
    assert!(error.to_string().contains("255.255.255.255 cannot be reached"), "{error}");
}

#[test]
fn port() {
    let kubeconfig = Api::default().start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = kubeconfig.clone().with_server(&format!("https://{}", free.local_addr().unwrap()));
    drop(free);
    assert!(refused(&closed, "AL-CFG-011").to_string().contains("nothing listens"));
    let plain = kubeconfig.clone().with_server(&format!("https://{}", says("HTTP/1.1 400 Bad Request\r\n\r\n")));
    assert!(refused(&plain, "AL-CFG-011").to_string().contains("no TLS"));
    let silent = kubeconfig.with_server(&format!("https://{}", says("")));
    let around = Around { now: SystemTime::now(), var: &|_| None, patience: Duration::from_millis(300) };
    let error = check(&silent, &around).unwrap_err();
    assert!(error.id() == "AL-CFG-011" && error.to_string().contains("says nothing"), "{error}");
}

#[test]
fn proxy_variable() {
    let kubeconfig = Api { san: "api.test", ..Api::default() }.start();
    let real = kubeconfig.server().trim_start_matches("https://").to_owned();
    let kubeconfig = kubeconfig.with_server("https://api.test:6443");
    let refusing = format!("http://me:canary@{}", says("HTTP/1.1 403 Forbidden\r\n\r\n"));
    let error = asked(&kubeconfig, SystemTime::now(), &[("HTTPS_PROXY", &refusing)]).unwrap_err();
    assert_eq!(error.id(), "AL-CFG-012", "{error}");
    let told = format!("{error} {error:?} {:?}", error.args());
    assert!(told.contains("HTTPS_PROXY") && told.contains("403") && !told.contains("canary"), "{told}");
    let leading = proxy_to(real);
    let working = asked(&kubeconfig, SystemTime::now(), &[("https_proxy", &leading)]).unwrap();
    assert_eq!(working.proxy, Some(format!("http://{leading}")));
    let straight = kubeconfig.with_server("https://255.255.255.255:6443");
    let exempt = [("HTTPS_PROXY", refusing.as_str()), ("NO_PROXY", "255.255.255.255")];
    assert_eq!(asked(&straight, SystemTime::now(), &exempt).unwrap_err().id(), "AL-CFG-010");
}

#[test]
fn authority() {
    let api = Api::default();
    let (cert, key) = api.authority.issue("system:admin", GOOD, None);
    let server = api.start().server().to_owned();
    let other = Kubeconfig::admin("demo", &server, &Authority::new().pem(), &cert, &key.into());
    refused(&other, "AL-CFG-013");
}

#[test]
fn insecure_only_where_it_was_asked_for() {
    let api = Api { san: "10.9.8.7", ..Api::default() }.start();
    let working = asked(&api.clone().insecure(), SystemTime::now(), &[]).unwrap();
    assert!(!working.verified, "it works, and says what it did without");
    refused(&api, "AL-CFG-014");
}

#[test]
fn name() {
    let error = refused(&Api { san: "10.9.8.7", ..Api::default() }.start(), "AL-CFG-014");
    assert_eq!(error.to_string(), "the certificate is not for 127.0.0.1 but for 10.9.8.7");
}

#[test]
fn clock() {
    let kubeconfig = Api::default().start();
    for (now, ahead) in [(SystemTime::now() + 400 * DAY, 400 * 86_400), (SystemTime::now() - 3 * DAY, -3 * 86_400)] {
        let error = asked(&kubeconfig, now, &[]).unwrap_err();
        assert_eq!(error.id(), "AL-CFG-015", "{error}");
        let CheckError::Clock { ahead: told } = error else { unreachable!() };
        assert!((told - ahead).abs() <= 5, "{told} and not {ahead}");
    }
}

#[test]
fn the_apis_certificate() {
    let error = refused(&Api { days: (-30, -1), ..Api::default() }.start(), "AL-CFG-016");
    assert!(error.to_string().contains("CN=kube-apiserver"), "{error}");
}

#[test]
fn the_users_certificate() {
    let error = refused(&Api { users_days: (-400, -35), ..Api::default() }.start(), "AL-CFG-017");
    assert!(error.to_string().contains("CN=system:admin"), "{error}");
}

#[test]
fn authorisation() {
    let api = Api::default();
    let (ca, stranger) = (api.authority.pem(), Authority::new());
    let (cert, key) = stranger.issue("stranger", GOOD, None);
    let server = api.start().server().to_owned();
    let unknown = Kubeconfig::admin("demo", &server, &ca, &cert, &key.into());
    let error = refused(&unknown, "AL-CFG-018");
    assert!(error.to_string().contains("CN=stranger"), "{error}");

    let forbidden = |path: &str| match path {
        "/version" => healthy(path),
        _ => (403, r#"{"message": "nodes is forbidden: User \"u\" cannot list resource \"nodes\""}"#),
    };
    let error = refused(&Api { answers: forbidden, ..Api::default() }.start(), "AL-CFG-019");
    assert!(error.to_string().contains("cannot list resource"), "{error}");
}

#[test]
fn another_answer() {
    let starting = |_: &str| (503, "apiserver not ready\nmore");
    let error = refused(&Api { answers: starting, ..Api::default() }.start(), "AL-CFG-020");
    assert!(error.to_string().ends_with("/version with 503: apiserver not ready"), "{error}");
}

#[test]
fn every_id_is_listed_and_no_error_tells_a_key() {
    for n in 10..=20 {
        assert!(kubecfg::PROBLEMS.contains(&format!("AL-CFG-0{n}").as_str()));
    }
    let kubeconfig = Api { days: (-30, -1), ..Api::default() }.start();
    let error = refused(&kubeconfig, "AL-CFG-016");
    assert!(!format!("{kubeconfig:?} {error:?}").contains("PRIVATE"));
}

#[test]
fn rows_say_how_everybody_logs_in_and_how_long() {
    let text = "kind: Config\ncurrent-context: b\ncontexts:\n- {name: a, context: {cluster: c, user: program}}\n- {name: b, \
                context: {cluster: c, user: token}}\nclusters:\n- {name: c, cluster: {server: 'https://c', insecure-skip-tls-verify: \
                true}}\nusers:\n- {name: program, user: {exec: {command: aws}}}\n- {name: token, user: {token: t}}\n";
    let (merged, _) = kubecfg::merge_into(text, &Api::default().start()).unwrap();
    let rows = kubecfg::contexts(&merged, SystemTime::now()).unwrap();
    let told: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.current, r.verified)).collect();
    assert_eq!(told, [("demo", false, true), ("a", false, false), ("b", true, false)]);
    let kubecfg::Login::Certificate(life) = &rows[0].login else { panic!("{:?}", rows[0].login) };
    assert_eq!((life.subject.as_str(), life.is_valid), ("CN=system:admin", true));
    assert!((364..=365).contains(&life.days_left), "{}", life.days_left);
    assert_eq!(rows[1].login, kubecfg::Login::Program("aws".into()));
    let later = kubecfg::contexts(&merged, SystemTime::now() + 366 * DAY).unwrap();
    assert!(matches!(&later[0].login, kubecfg::Login::Certificate(life) if life.days_left < 0 && !life.is_valid));
}

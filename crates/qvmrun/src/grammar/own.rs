//! Verbs that vmrun does not have.

use std::net::{IpAddr, SocketAddr};

use crate::net::Mode;

use super::Misuse;

/// A verb of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    NetUp { address: IpAddr, prefix: u8, mode: Option<Mode>, forwards: Vec<SocketAddr> },
    NetShow,
    NetDown,
    NetExec(Vec<String>),
    Limits,
    Doctor,
}

/// What follows `net`.
pub(super) fn net(rest: &[String]) -> Result<Own, Misuse> {
    let bad = |what: String| Misuse::Own(what);
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    match words[..] {
        ["show"] => Ok(Own::NetShow),
        ["down"] => Ok(Own::NetDown),
        ["exec", "--", ref command @ ..] if !command.is_empty() => {
            Ok(Own::NetExec(command.iter().map(|s| (*s).to_owned()).collect()))
        }
        ["exec", ..] => Err(bad("net exec -- COMMAND ARGS".into())),
        ["up", address, ref options @ ..] => {
            let parsed = address.split_once('/').and_then(|(a, p)| Some((a.parse().ok()?, p.parse().ok()?)));
            let Some((address, prefix)) = parsed.filter(|(a, p): &(IpAddr, u8)| a.is_ipv4() && (8..=30).contains(p))
            else {
                return Err(bad(format!("{address}: not an IPv4 ADDRESS/PREFIX")));
            };
            let (mut mode, mut forwards) = (None, Vec::new());
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match (*option, options.next().copied()) {
                    ("--mode", Some(word)) => {
                        mode = Some(Mode::named(word).ok_or_else(|| bad(format!("--mode {word}: not known")))?);
                    }
                    ("--forward", Some(to)) => {
                        forwards.push(to.parse().map_err(|_| bad(format!("{to}: not IP:PORT")))?);
                    }
                    (option, value) => return Err(bad(format!("{option} {}: not known", value.unwrap_or_default()))),
                }
            }
            Ok(Own::NetUp { address, prefix, mode, forwards })
        }
        _ => Err(bad("net up ADDRESS/PREFIX, net show, net down or net exec -- COMMAND".into())),
    }
}

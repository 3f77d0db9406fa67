//! What a package needs: `Depends`, `Provides` and their like (deb-control(5), Debian policy 7.1).

use super::Version;

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Earlier,
    AtMost,
    Exactly,
    AtLeast,
    Later,
}

/// One package that is meant: `name[:arch] [(op version)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: String,
    /// `any`, `native` or an architecture.
    pub(crate) qualifier: Option<String>,
    pub(crate) version: Option<(Op, Version)>,
}

impl Relation {
    /// Whether a package of this version is meant.
    pub(crate) fn allows(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|(op, bound)| match op {
            Op::Earlier => version < bound,
            Op::AtMost => version <= bound,
            Op::Exactly => version == bound,
            Op::AtLeast => version >= bound,
            Op::Later => version > bound,
        })
    }
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        let Some((op, version)) = &self.version else { return Ok(()) };
        let op = match op {
            Op::Earlier => "<<",
            Op::AtMost => "<=",
            Op::Exactly => "=",
            Op::AtLeast => ">=",
            Op::Later => ">>",
        };
        write!(f, " ({op} {version})")
    }
}

/// A list of clauses, each with its alternatives in order: `a | b, c`. Lists of architectures and build profiles stand
/// in source packages only.
pub(crate) fn parse(text: &str) -> Result<Vec<Vec<Relation>>, String> {
    let fail = |text: &str| format!("{:?} is not a relation", text.trim().chars().take(80).collect::<String>());
    let clauses = text.split(',').filter(|clause| !clause.trim().is_empty());
    clauses.map(|clause| clause.split('|').map(|text| one(text).ok_or_else(|| fail(text))).collect()).collect()
}

fn one(text: &str) -> Option<Relation> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(text.len());
    let (name, rest) = (&text[..end], text[end..].trim_start());
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if !is_name(name) || qualifier.is_some_and(|q| !is_architecture(q)) {
        return None;
    }
    let version = if rest.is_empty() { None } else { Some(bound(rest.strip_prefix('(')?.strip_suffix(')')?.trim())?) };
    Some(Relation { name: name.to_owned(), qualifier: qualifier.map(str::to_owned), version })
}

/// `>= 1.2`
fn bound(text: &str) -> Option<(Op, Version)> {
    let digits = text.find(|c: char| !"<>=".contains(c))?;
    let op = match &text[..digits] {
        "<<" => Op::Earlier,
        "<=" | "<" => Op::AtMost,
        "=" => Op::Exactly,
        ">=" | ">" => Op::AtLeast,
        ">>" => Op::Later,
        _ => return None,
    };
    Some((op, text[digits..].trim().parse().ok()?))
}

/// A package's name (Debian policy 5.6.1; one letter and capitals occur outside Debian).
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

pub(crate) fn is_architecture(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let clauses = parse(text).unwrap();
        clauses.iter().map(|c| c.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn clauses_alternatives_and_their_limits() {
        assert_eq!(
            read("libc6 (>= 2.34), python3:any (>= 3.6~) |python3-minimal , a(<<2)|b (> 1), ,"),
            ["libc6 (>= 2.34)", "python3:any (>= 3.6~) | python3-minimal", "a (<< 2) | b (>= 1)"]
        );
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in
            ["a b", "a (1)", "a (>= )", "a (>= 1", "-a", "a:", "a |", "a (=> 1)", "a [i386]", "../a", "a (>= 1) x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

//! Which packages must come along.

use std::collections::{HashMap, HashSet};

use super::index::Package;
use super::relation::{Op, Relation, is_name, parse};
use crate::ArtifactError;

/// No real chain of needs is as long.
const DEEPEST: usize = 800;

/// The packages among `offered` that must be brought so that `wanted` (`NAME` or `NAME=VERSION`) can be installed where
/// `installed` is there already, by name. Recommended packages are left out.
///
/// Chosen as apt does: of each package its latest version; of alternatives the first that can be had; of packages that
/// provide a name, the one of the highest priority, then the first by name. What one choice makes impossible, the next
/// is tried for.
///
/// ```
/// let stanza = |name: &str, needs: &str| format!(
///     "Package: {name}\nVersion: 1\nArchitecture: all\nDepends: {needs}\nFilename: {name}.deb\nSize: 1\nSHA256: {}\n\n",
///     "a".repeat(64)
/// );
/// let index = stanza("jq", "libjq1 (= 1), libc6 (>= 2.34)") + &stanza("libjq1", "libonig5 | libonig4") + &stanza("libonig4", "");
/// let offered = artifacts::debian::read_index("Packages", index.as_bytes(), "amd64")?;
/// let installed = artifacts::debian::read_installed("base", b"libc6 2.35-0ubuntu3", "amd64")?;
/// let all = artifacts::debian::closure(&offered, &installed, &["jq".into()])?;
/// assert_eq!(all.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["jq", "libjq1", "libonig4"]);
/// # Ok::<(), artifacts::ArtifactError>(())
/// ```
///
/// # Errors
/// [`ArtifactError::Packages`] with all that cannot be had, and with what refuses to be there together.
pub fn closure<'a>(
    offered: &'a [Package],
    installed: &[Package],
    wanted: &[String],
) -> Result<Vec<&'a Package>, ArtifactError> {
    let mut solver = Solver::new(offered, installed);
    let mut missing = Vec::new();
    let mut relations = Vec::new();
    for text in wanted {
        match wish(text) {
            Some(relation) => relations.push(relation),
            None => missing.push(format!("{text:?} is not NAME or NAME=VERSION")),
        }
    }
    for relation in &relations {
        solver.prefer(relation);
    }
    for relation in &relations {
        if let Err(why) = solver.satisfy(std::slice::from_ref(relation), 0) {
            missing.push(why);
        }
    }
    missing.extend(solver.refusals());
    if !missing.is_empty() {
        return Err(ArtifactError::Packages { why: missing.join("; ") });
    }
    let mut all: Vec<&Package> = solver.chosen.iter().map(|i| &offered[*i]).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn wish(text: &str) -> Option<Relation> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some((Op::Exactly, version.parse().ok()?))),
        None => (text, None),
    };
    is_name(name).then(|| Relation { name: name.to_owned(), qualifier: None, version })
}

struct Solver<'a, 'i> {
    offered: &'a [Package],
    installed: &'i [Package],
    /// Of each name, the one version that is looked at.
    candidate: HashMap<&'a str, usize>,
    /// Who offers, and who has, something under this name or provides it.
    offering: HashMap<&'a str, Vec<usize>>,
    having: HashMap<&'i str, Vec<usize>>,
    chosen: Vec<usize>,
    is_chosen: HashSet<usize>,
    /// What cannot be had. It stays so: more packages never make a need harder to meet.
    impossible: HashMap<usize, String>,
}

impl<'a, 'i> Solver<'a, 'i> {
    fn new(offered: &'a [Package], installed: &'i [Package]) -> Self {
        let mut candidate: HashMap<&str, usize> = HashMap::new();
        for (i, package) in offered.iter().enumerate() {
            let best = candidate.entry(&package.name).or_insert(i);
            if offered[*best].version < package.version {
                *best = i;
            }
        }
        let mut solver = Self {
            offered,
            installed,
            candidate,
            offering: HashMap::new(),
            having: names(installed.iter().enumerate()),
            chosen: Vec::new(),
            is_chosen: HashSet::new(),
            impossible: HashMap::new(),
        };
        solver.index();
        solver
    }

    fn index(&mut self) {
        self.offering = names(self.candidate.values().map(|i| (*i, &self.offered[*i])));
        for all in self.offering.values_mut() {
            all.sort_by_key(|i| (self.offered[*i].priority, &self.offered[*i].name));
        }
    }

    /// A version that was asked for is the one that is looked at.
    fn prefer(&mut self, wish: &Relation) {
        let fits = |p: &Package| p.name == wish.name && wish.allows(&p.version);
        if wish.version.is_some()
            && let Some(i) = self.offered.iter().position(fits)
        {
            self.candidate.insert(&self.offered[i].name, i);
            self.index();
        }
    }

    /// Sees to it that one of the alternatives is there.
    fn satisfy(&mut self, clause: &[Relation], depth: usize) -> Result<(), String> {
        if clause.iter().any(|relation| self.is_there(relation)) {
            return Ok(());
        }
        let mut whys = Vec::new();
        for relation in clause {
            let options: Vec<usize> = self.options(relation);
            if options.is_empty() {
                whys.push(format!("{relation} is not offered"));
            }
            for option in options {
                match self.bring(option, depth) {
                    Ok(()) => return Ok(()),
                    Err(why) => whys.push(why),
                }
            }
        }
        whys.dedup();
        Err(whys.join(", and "))
    }

    fn is_there(&self, relation: &Relation) -> bool {
        let chosen = self.offering.get(relation.name.as_str()).into_iter().flatten();
        let has = self.having.get(relation.name.as_str()).into_iter().flatten();
        chosen.filter(|i| self.is_chosen.contains(i)).any(|i| self.offered[*i].is(relation))
            || has.map(|i| &self.installed[*i]).any(|p| p.is(relation) && !self.replaces(p))
    }

    /// Whether another version of an installed package comes along.
    fn replaces(&self, installed: &Package) -> bool {
        self.candidate.get(installed.name.as_str()).is_some_and(|i| self.is_chosen.contains(i))
    }

    /// The package of this name first, then those that provide it.
    fn options(&self, relation: &Relation) -> Vec<usize> {
        let all = self.offering.get(relation.name.as_str()).into_iter().flatten().copied();
        let mut fitting: Vec<usize> = all.filter(|i| self.offered[*i].is(relation)).collect();
        fitting.sort_by_key(|i| self.offered[*i].name != relation.name);
        fitting
    }

    fn bring(&mut self, package: usize, depth: usize) -> Result<(), String> {
        if let Some(why) = self.impossible.get(&package) {
            return Err(why.clone());
        }
        let offered = &self.offered[package];
        if depth > DEEPEST {
            return Err(format!("{} is needed through more than {DEEPEST} others", offered.name));
        }
        let before = self.chosen.len();
        self.chosen.push(package);
        self.is_chosen.insert(package);
        let needs = parse(&offered.needs);
        let met = needs.and_then(|needs| needs.iter().try_for_each(|clause| self.satisfy(clause, depth + 1)));
        met.map_err(|why| {
            for dropped in self.chosen.drain(before..) {
                self.is_chosen.remove(&dropped);
            }
            let why = format!("{} {}: {why}", offered.name, offered.version);
            self.impossible.insert(package, why.clone());
            why
        })
    }

    /// What is chosen and refuses something else that is chosen or stays installed.
    fn refusals(&self) -> Vec<String> {
        let mut found = Vec::new();
        for i in &self.chosen {
            let package = &self.offered[*i];
            let refuses = match parse(&package.refuses) {
                Ok(refuses) => refuses,
                Err(why) => {
                    found.push(format!("{} {}: {why}", package.name, package.version));
                    continue;
                }
            };
            for relation in refuses.iter().flatten() {
                let chosen = self.offering.get(relation.name.as_str()).into_iter().flatten();
                let chosen = chosen.filter(|i| self.is_chosen.contains(i)).map(|i| &self.offered[*i]);
                let has = self.having.get(relation.name.as_str()).into_iter().flatten();
                let has = has.map(|i| &self.installed[*i]).filter(|p| !self.replaces(p));
                let others = chosen.chain(has).filter(|p| p.name != package.name && p.is(relation));
                found.extend(others.map(|other| format!("{} refuses {} {}", package.name, other.name, other.version)));
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Packages by every name they are known by.
fn names<'p>(packages: impl Iterator<Item = (usize, &'p Package)>) -> HashMap<&'p str, Vec<usize>> {
    let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, package) in packages {
        for name in package.provides.iter().map(|p| &p.name).chain([&package.name]) {
            let all = names.entry(name).or_default();
            if !all.contains(&i) {
                all.push(i);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::{read_index, read_installed};

    fn index(packages: &[&str]) -> Vec<Package> {
        let stanza = |text: &&str| {
            let mut lines = text.lines();
            let (name, version) = lines.next().unwrap().trim().split_once(' ').unwrap();
            let rest: String = lines.map(|line| format!("{}\n", line.trim())).collect();
            let sha = "a".repeat(64);
            format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {sha}\n{rest}\n"
            )
        };
        let text: String = packages.iter().map(stanza).collect();
        read_index("Packages", text.as_bytes(), "amd64").unwrap()
    }

    fn solve(packages: &[&str], installed: &str, wanted: &[&str]) -> Result<Vec<String>, String> {
        let offered = index(packages);
        let installed = read_installed("base", installed.as_bytes(), "amd64").unwrap();
        let wanted: Vec<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
        match closure(&offered, &installed, &wanted) {
            Ok(all) => Ok(all.iter().map(|p| format!("{} {}", p.name, p.version)).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_latest_version_comes_with_what_it_needs() {
        let offered = ["a 1", "a 2\nDepends: b (>= 2)", "b 2\nPre-Depends: c", "c 1\nDepends: a", "d 1"];
        assert_eq!(solve(&offered, "", &["a"]).unwrap(), ["a 2", "b 2", "c 1"]);
        assert_eq!(solve(&offered, "", &["a=1"]).unwrap(), ["a 1"]);
        assert_eq!(solve(&offered, "b 2.1", &["a"]).unwrap(), ["a 2"]);
        assert_eq!(solve(&offered, "b 1.9", &["a"]).unwrap(), ["a 2", "b 2", "c 1"], "an older one is replaced");
        assert_eq!(solve(&offered, "b", &["a"]).unwrap(), ["a 2"], "one without a version is taken as it is");
        assert_eq!(solve(&offered, "a 1", &["a"]).unwrap(), [""; 0]);
    }

    #[test]
    fn alternatives_and_providers() {
        let offered = [
            "a 1\nDepends: x | y",
            "y 1",
            "b 1\nDepends: mta",
            "z-mta 1\nPriority: standard\nProvides: mta",
            "c-mta 1\nPriority: optional\nProvides: mta",
            "v 1\nDepends: virtual (>= 2)",
            "old 1\nProvides: virtual (= 1)",
            "any 1\nProvides: virtual",
            "new 1\nProvides: virtual (= 2)",
            "q 1\nDepends: python3:any, perl:any",
            "python3 3\nMulti-Arch: allowed",
            "perl 5",
            "t 1\nDepends: broken | y",
            "broken 1\nDepends: y, nowhere",
        ];
        assert_eq!(solve(&offered, "", &["a"]).unwrap(), ["a 1", "y 1"]);
        assert_eq!(solve(&offered, "", &["b"]).unwrap(), ["b 1", "z-mta 1"]);
        assert_eq!(solve(&offered, "", &["c-mta", "b"]).unwrap(), ["b 1", "c-mta 1"]);
        assert_eq!(solve(&offered, "", &["v"]).unwrap(), ["new 1", "v 1"]);
        assert_eq!(solve(&offered, "", &["t"]).unwrap(), ["t 1", "y 1"], "what cannot be had is not half taken");
        assert!(solve(&offered, "", &["q"]).unwrap_err().contains("perl:any is not offered"));
    }

    #[test]
    fn everything_that_cannot_be_had_is_said_at_once() {
        let offered = ["a 1\nDepends: b (>> 2)", "b 2", "c 1\nConflicts: d", "d 1"];
        let error = solve(&offered, "", &["a", "nothing", "c", "d", "no name"]).unwrap_err();
        for part in
            ["a 1: b (>> 2) is not offered", "nothing is not offered", "c refuses d 1", "\"no name\" is not NAME"]
        {
            assert!(error.contains(part), "{error}");
        }
        assert!(solve(&offered, "d 1", &["c"]).unwrap_err().contains("c refuses d 1"));
    }

    #[test]
    fn a_long_chain_ends_in_words() {
        let chain: Vec<String> = (0..2000).map(|i| format!("p{i} 1\nDepends: p{}", i + 1)).collect();
        let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
        assert!(solve(&chain, "", &["p0"]).unwrap_err().contains("more than 800 others"));
    }
}

//! The parameters of a command, taken one by one.

use super::Misuse;

/// What is left of a command line.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    rest: &'a [String],
}

impl<'a> Words<'a> {
    pub(super) fn new(rest: &'a [String]) -> Self {
        Self { rest }
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next word; it must be there.
    pub(super) fn need(&mut self) -> Result<String, Misuse> {
        self.next().map(str::to_owned).ok_or(Misuse::TooFew)
    }

    /// The next word as a number.
    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Result<N, Misuse> {
        let word = self.need()?;
        word.parse().map_err(|_| Misuse::Argument(word))
    }

    /// One of these words, in any case, if the next word is one of them.
    pub(super) fn flag(&mut self, known: &[&'static str]) -> Option<&'static str> {
        let word = self.rest.first()?;
        let found = known.iter().find(|k| k.eq_ignore_ascii_case(word)).copied()?;
        self.next();
        Some(found)
    }

    /// The value of `-name=VALUE` or `-name VALUE`, if that is what comes next.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<String>, Misuse> {
        let Some(word) = self.rest.first() else { return Ok(None) };
        let (key, value) = word.split_once('=').map_or((word.as_str(), None), |(k, v)| (k, Some(v)));
        if !key.eq_ignore_ascii_case(name) {
            return Ok(None);
        }
        self.next();
        value.map_or_else(|| self.need(), |v| Ok(v.to_owned())).map(Some)
    }

    /// Everything that is left.
    pub(super) fn all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest).to_vec()
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Misuse> {
        self.rest.first().map_or(Ok(()), |extra| Err(Misuse::Argument(extra.clone())))
    }
}

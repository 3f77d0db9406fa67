//! The languages people can choose.

/// A language of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English, the default.
    #[default]
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// The language of this process: `AIRLAB_LANG`, else `LC_ALL`, `LC_MESSAGES`, `LANG`; the first that is set decides.
    pub fn of_environment() -> Self {
        let names = ["AIRLAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"];
        let first = names.iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty());
        Self::from_tag(first.as_deref().unwrap_or_default())
    }

    /// The language of a tag such as `ko`, `ko_KR.UTF-8` or `en-US`; anything unknown is English.
    pub fn from_tag(tag: &str) -> Self {
        let code = tag.split(['_', '-', '.', '@']).next().unwrap_or_default();
        if code.eq_ignore_ascii_case("ko") { Self::Korean } else { Self::English }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_locales_are_understood() {
        let korean = ["ko", "ko_KR.UTF-8", "KO-kr", "ko.UTF-8"];
        assert!(korean.iter().all(|t| Language::from_tag(t) == Language::Korean));
        assert!(["", "C", "en_US.UTF-8", "kok_IN"].iter().all(|t| Language::from_tag(t) == Language::English));
    }
}

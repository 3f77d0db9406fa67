//! The `Range` header (RFC 9110 §14.1.2), one range of bytes at a time.

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Everything: no range, or one that may be ignored (several ranges, another unit, not well formed).
    Whole,
    /// A part that is there.
    Part { start: u64, length: u64 },
    /// Nothing of the range is there.
    Outside,
}

/// Reads a `Range` header's value for content of `size` bytes.
pub(super) fn requested(value: &str, size: u64) -> Range {
    let Some((first, last)) = value.trim().strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Range::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (number(first), number(last)) {
        (Err(_), Ok(0)) if first.is_empty() => Range::Outside,
        (Err(_), Ok(n)) if first.is_empty() => part(size.saturating_sub(n), size, size),
        (Ok(first), Err(_)) if last.trim().is_empty() => part(first, size, size),
        (Ok(first), Ok(last)) if first > last => Range::Outside,
        (Ok(first), Ok(last)) => part(first, last.saturating_add(1).min(size), size),
        _ => Range::Whole,
    }
}

/// Reads the `Content-Range` of a chunk, `first-last`, also in HTTP's own form `bytes first-last/size`.
pub(super) fn content_range(value: &str) -> Option<(u64, u64)> {
    let range = value.trim().trim_start_matches("bytes").trim_start();
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

fn part(start: u64, end: u64, size: u64) -> Range {
    if start >= size { Range::Outside } else { Range::Part { start, length: end - start } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("bytes=500-1499", Range::Part { start: 500, length: 1000 }),
            ("bytes=500-", Range::Part { start: 500, length: 1548 }),
            ("bytes=-500", Range::Part { start: 1548, length: 500 }),
            ("bytes=-5000", Range::Part { start: 0, length: 2048 }),
            ("bytes=2000-5000", Range::Part { start: 2000, length: 48 }),
            ("bytes=500-0", Range::Outside),
            ("bytes=5000-10000", Range::Outside),
            ("bytes=2048-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=0-1,5-6", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes=x-y", Range::Whole),
        ];
        for (value, wanted) in cases {
            assert_eq!(requested(value, 2048), wanted, "{value}");
        }
        assert_eq!(requested("bytes=0-", 0), Range::Outside);
    }

    #[test]
    fn ranges_of_chunks() {
        for (value, wanted) in [
            ("0-4", Some((0, 4))),
            ("bytes 5-9/*", Some((5, 9))),
            ("5-4", None),
            ("-4", None),
            ("4-", None),
            ("+1-2", None),
            ("0-18446744073709551615", None),
            ("", None),
        ] {
            assert_eq!(content_range(value), wanted, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_inside(value in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in 0u64..5000) {
            if let Range::Part { start, length } = requested(&value, size) {
                prop_assert!(length > 0 && start + length <= size);
            }
        }
    }
}

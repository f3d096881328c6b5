//! Texts of a report.

/// Longer texts are cut, so that the report stays below its size limit.
const LONGEST_TEXT: usize = 400;

/// The beginning of a text that may be too long for a report.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(500)).chars().count(), LONGEST_TEXT);
    }
}
